"""Lines become bytes: JSON for machines, one readable line for people."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec


class AccessLine(msgspec.Struct, omit_defaults=True, gc=False):
    """One finished request; encoded once, in a batch, never touched by loguru."""

    time: datetime
    level: str
    module: str
    message: str
    correlation_id: str
    request_id: str
    method: str
    route: str
    path: str
    status: int
    duration_ms: float
    bytes: int
    client: str | None = None
    organization_id: object = None
    aborted: bool = False


def declare_line(names: Sequence[str]) -> Callable[..., msgspec.Struct]:
    """Return the type of a line with these fields: called with time, level, module, message, id and their values.

    A struct is made and encoded in a fraction of a dictionary's time.
    """
    start: list[tuple[str, type]] = [("time", datetime), ("level", str), ("module", str), ("message", str)]
    optional: list[tuple[str, Any, Any]] = [(name, object, None) for name in ("correlation_id", *names)]
    return msgspec.defstruct("EventLine", [*start, *optional], gc=False, omit_defaults=True)


def _as_mapping(item: msgspec.Struct) -> dict[str, object]:
    return {name: value for name in item.__struct_fields__ if (value := getattr(item, name)) is not None}


def _fallback(value: object) -> object:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - see redact: a line must not fail because of one value
        return f"<{type(value).__name__}>"


_encoder: Final = msgspec.json.Encoder(enc_hook=_fallback, decimal_format="string")


def encode_json(items: Sequence[object]) -> bytes:
    """Return one line of JSON per item."""
    try:
        return _encoder.encode_lines(items)
    except Exception:  # noqa: BLE001 - one bad item must not take its neighbours along
        return b"".join(map(_encode_alone, items))


def _encode_alone(item: object) -> bytes:
    try:
        return _encoder.encode(item) + b"\n"
    except Exception:  # noqa: BLE001 - lone surrogates, integers past 64 bits: cleaned, then written
        return _encoder.encode(_clean(item)) + b"\n"


def _clean(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        value = _as_mapping(value)
    if isinstance(value, Mapping):
        return {str(_clean(str(key))): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | float | datetime):
        return value
    return str(_fallback(value)).encode("utf-8", "backslashreplace").decode()


_COLOURS: Final = {"trace": "2", "debug": "36", "info": "32", "warn": "33", "error": "31", "fatal": "1;31"}
_SHOWN_APART: Final = frozenset({"time", "level", "module", "message", "exception"})


def encode_pretty(items: Sequence[object]) -> bytes:
    """Return one coloured line per item, with its traceback below."""
    return "".join(map(_pretty, items)).encode("utf-8", "backslashreplace")


def _pretty(item: object) -> str:
    if isinstance(item, msgspec.Struct):
        shown = _as_mapping(item)
        if isinstance(item, AccessLine):
            del shown["request_id"]  # the correlation id once more
            if not item.aborted:
                del shown["aborted"]
        item = shown
    if not isinstance(item, Mapping):
        return f"{item}\n"
    moment, level = item["time"], str(item["level"])
    clock = moment.strftime("%H:%M:%S.%f")[:-3] if isinstance(moment, datetime) else str(moment)
    fields = " ".join(f"{key}={_plain(value)}" for key, value in item.items() if key not in _SHOWN_APART)
    line = (
        f"\033[2m{clock}\033[0m \033[{_COLOURS.get(level, '0')}m{level:<5}\033[0m "
        f"\033[1m{item['module']}\033[0m {_plain(item['message'])} \033[2m{fields}\033[0m\n"
    )
    exception = item.get("exception")
    if isinstance(exception, Mapping):
        line += "".join(f"    {_plain(part)}\n" for part in str(exception["traceback"]).splitlines())
    return line


def _plain(value: object) -> str:
    # Control characters could forge lines or drive the terminal.
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(value))
