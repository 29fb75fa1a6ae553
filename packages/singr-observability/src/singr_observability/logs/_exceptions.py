"""An exception as a log line shows it: type, message and traceback, redacted, without any local variable's value."""

import traceback
from typing import Final

from singr_observability.redaction._redaction import redact_text

_MAX_TRACEBACK: Final = 30_000
_MAX_FRAMES: Final = 60
_MAX_MESSAGE: Final = 10_000


def describe_exception(error: BaseException) -> dict[str, object]:
    """Return `{"type", "message", "traceback"}`; causes and contexts are part of the traceback."""
    summary = traceback.TracebackException.from_exception(error, limit=-_MAX_FRAMES, capture_locals=False)
    text = "".join(summary.format())
    if len(text) > _MAX_TRACEBACK:
        # The end names the error and where it was raised.
        text = "[cut]…" + text[-_MAX_TRACEBACK:]
    return {"type": _name(error), "message": redact_text(_message(error)), "traceback": redact_text(text)}


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MAX_MESSAGE]
    except BaseException:  # noqa: BLE001 - an exception that cannot be printed must not hide itself
        return "<unprintable>"
