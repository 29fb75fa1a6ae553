"""A message made of data that somebody gave, with every fault in it named at once."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from singr_comms._errors import CommsError
from singr_comms.models._message import Message, invalid_message

_MISSING: Final = "is missing"


class InvalidDataError(CommsError, ValueError):
    """Data does not fill a message's variables.

    Args:
        faults: by the path of each variable within the data, such as `items[0].title`, what is wrong with it; never
            with the value itself.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {words}" for path, words in faults.items()))
        self.faults = dict(faults)


def filled(model: type[Message], data: Mapping[str, Any]) -> Message:
    """Make a message of its variables.

    Args:
        model: of a type for a channel.
        data: its variables by name, as JSON has them.

    Raises:
        InvalidDataError: names every variable that is missing, unknown or wrong.
    """
    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    for name in data:
        if name not in fields:
            faults[name] = f"is no variable of this message; it has {', '.join(fields)}"
    for name, field in fields.items():
        if name not in data:
            if field.required:
                faults[name] = _MISSING
            continue
        found = _faults(data[name], field.type, name)
        if found:
            faults |= found
        else:
            values[name] = msgspec.convert(data[name], field.type)
    if faults:
        raise InvalidDataError(faults)
    return model(**values)


def _faults(value: Any, kind: Any, path: str) -> dict[str, str]:
    """What is wrong with a value, by path; of a list, whose bounds are kept, in each of its items."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found: dict[str, str] = {}
        for number, one in enumerate(value if _is_sound(value, kind) else ()):
            found |= _faults(one, get_args(_bare(kind))[0], f"{path}[{number}]")
        wrong = invalid_message(error)
        return found or {_path(path, wrong.field): wrong.message}
    return {}


def _is_sound(value: Any, kind: Any) -> bool:
    """Whether it is a list as its variable wants one, whatever its items are."""
    bare = _bare(kind)
    alike = get_origin(bare) is list or (get_origin(bare) is tuple and get_args(bare)[1:] == (...,))
    if not (alike and isinstance(value, list | tuple)):
        return False
    bounds = getattr(kind, "__metadata__", ())
    try:
        msgspec.convert(value, Annotated[list[Any], *bounds] if bounds else list[Any])
    except msgspec.ValidationError:
        return False
    return True


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _path(name: str, inner: str) -> str:
    return name + (inner if inner.startswith("[") or not inner else f".{inner}")
