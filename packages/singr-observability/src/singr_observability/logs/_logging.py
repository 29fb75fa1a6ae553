"""Structured logs: loguru for people who write log calls, one fast writer for all lines, standard logging included."""

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

import msgspec
from loguru import logger as _loguru

from singr_observability.logs._exceptions import describe_exception
from singr_observability.logs._lines import AccessLine, declare_line, encode_json, encode_pretty
from singr_observability.logs._repeats import Repeats
from singr_observability.logs._writer import LineWriter
from singr_observability.redaction._redaction import are_safe, is_open_key, redact_item, redact_text
from singr_observability.tracing._correlation import correlation_fields, correlation_id

if TYPE_CHECKING:
    from loguru import Logger, Message, Record

LEVELS: Final[Mapping[str, int]] = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
"""Level names as the configuration and the log lines spell them, with loguru's numbers."""

_ALIASES: Final = {"warning": "warn", "critical": "fatal", "success": "info"}
_LOGURU_NAMES: Final = {
    "trace": "TRACE",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
    "fatal": "CRITICAL",
}
_WRITE_AT_ONCE: Final = LEVELS["warn"]
_CORE: Final = frozenset({"time", "level", "module", "message", "correlation_id", "exception"})
_STANDARD_LOGGERS: Final = (
    "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "dramatiq", "sqlalchemy", "sqlalchemy.engine",
    "sqlalchemy.pool", "alembic", "asyncio", "httpx", "httpcore", "litestar", "botocore", "opentelemetry",
)  # fmt: skip
# Their lines below a warning repeat what our own say, or carry statements and URLs.
_QUIET_LOGGERS: Final = (
    "uvicorn.access",
    "uvicorn.asgi",
    "sqlalchemy",
    "httpx",
    "httpcore",
    "botocore",
    "boto3",
    "urllib3",
    "opentelemetry",
)
# It tells of each attempt to connect with a stack of its own; what it raises is said by whoever called it.
_SILENT_LOGGER: Final = "pika"


class LoggingHandle:
    """The configured logging of this process; `flush` and `close` write what still waits."""

    def __init__(self, *, level: str, json: bool, stream: TextIO) -> None:
        self.level_number = LEVELS[level]
        self.writer = LineWriter(stream, encode_json if json else encode_pretty, _dropped_line)
        self._hooks = (sys.excepthook, threading.excepthook)
        self._handler_id = _loguru.add(
            self._from_loguru, level=self.level_number, format=lambda _: "", backtrace=False, diagnose=False, catch=True
        )
        self._standard = _take_over_standard_logging(self.level_number)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

    def flush(self) -> None:
        """Write every line logged so far."""
        self.writer.flush()

    def close(self) -> None:
        """Write what waits and give standard logging and the exception hooks back."""
        if log.active is self:
            log.active = None
            _loguru.remove(self._handler_id)
            logging.getLogger().removeHandler(self._standard)
            sys.excepthook, threading.excepthook = self._hooks
        self.writer.close()

    def emit(self, number: int, line: object) -> None:
        """Write a finished line; the caller checked its level."""
        if number >= _WRITE_AT_ONCE:
            self.writer.put_now(line)
        else:
            self.writer.put(line)

    def _from_loguru(self, message: "Message") -> None:
        record = message.record
        extra = dict(record["extra"])
        module = str(extra.pop("module", None) or record["name"])
        line = _line(
            datetime.fromtimestamp(record["time"].timestamp(), UTC),
            _level_name(record["level"].no),
            module,
            record["message"],
        )
        _add_fields(line, extra)
        if record["exception"] is not None and record["exception"].value is not None:
            line["exception"] = describe_exception(record["exception"].value)
        self.emit(record["level"].no, line)

    def _uncaught(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._hooks[0](kind, error, traceback)
            return
        _loguru.bind(module="singr_observability").opt(exception=error).critical("uncaught exception")
        self.flush()

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None or isinstance(arguments.exc_value, SystemExit):
            return
        name = arguments.thread.name if arguments.thread else "unknown"
        log = _loguru.bind(module="singr_observability", thread=name)
        log.opt(exception=arguments.exc_value).error("uncaught exception in a thread")


class _Log:
    """The log of this process: there is one, set by configure_logging, which only apps call."""

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active: LoggingHandle | None = None


log: Final = _Log()


def configure_logging(*, level: str, json: bool, sink: TextIO | None = None) -> LoggingHandle:
    """Send every log line of this process to `sink` (None: standard error) as JSON, or readable for people.

    Takes over loguru's default handler and the standard library's root logger (uvicorn, Dramatiq, SQLAlchemy,
    Alembic and all others), and logs uncaught exceptions. A second call replaces the first.

    `level` is one of fatal, error, warn, info, debug, trace. Raises ValueError for another.
    """
    wanted = _ALIASES.get(level.lower(), level.lower())
    if wanted not in LEVELS:
        raise ValueError(f"unknown log level {level!r}: use one of {', '.join(LEVELS)}")
    if log.active is not None:
        log.active.close()
    else:
        _remove_default_handler()
    log.active = LoggingHandle(level=wanted, json=json, stream=sink if sink is not None else sys.stderr)
    return log.active


def get_logger(module: str) -> "Logger":
    """Return a loguru logger whose lines carry `module`. Works before and after `configure_logging`.

    Where nobody has configured logging, loguru's own handler would show the values of local variables below an
    exception: its traceback is then part of the message, as in our own lines.
    """
    return _loguru.bind(module=module).patch(_without_values)


def _without_values(record: "Record") -> None:
    if log.active is None and record["exception"] is not None:
        error = record["exception"].value
        if error is not None:
            record["message"] += f"\n{describe_exception(error)['traceback']}"
        record["exception"] = None


def emit_event(level: str, module: str, message: str, fields: Mapping[str, object] | None = None) -> None:
    """Log one line without loguru's cost: for what happens hundreds of times a second.

    The line looks like any other: correlation id and scope fields are added, `fields` are redacted. `message` is
    constant text; what varies belongs into `fields` (pass UUIDs as UUIDs: they need no redaction). An unknown level
    raises KeyError. Goes to the log only: what Sentry should hear of is logged with `get_logger`.
    """
    number = LEVELS[level]
    active = log.active
    if active is None:
        _loguru.bind(module=module, **(fields or {})).log(_LOGURU_NAMES[level], message)
    elif number >= active.level_number:
        line = _line(datetime.now(UTC), level, module, message)
        if fields:
            _add_fields(line, fields)
        active.emit(number, line)


def declare_event(level: str, module: str, message: str, fields: Sequence[str]) -> Callable[..., None]:
    """Return a function that logs this event, taking the values of `fields` by position: the cheapest log line.

    For what happens thousands of times a second, such as a finished job:

        job_completed = declare_event("info", "singr_jobs", "job completed", ("job_id", "queue", "duration_ms"))
        job_completed(job.id, "email", 12.5)

    A field is hidden or masked by its name as everywhere; other values are redacted as text. None leaves a field out.
    Scope fields are not added (the correlation id is): name what the line needs. Raises KeyError for an unknown
    level, and ValueError for a field name that every line has already.
    """
    number, names = LEVELS[level], tuple(fields)
    if not _CORE.isdisjoint(names):
        raise ValueError(f"these fields are part of every line: {', '.join(sorted(_CORE.intersection(names)))}")
    line_type = declare_line(names)
    all_open = all(map(is_open_key, names))

    def event(*values: object) -> None:
        if len(values) != len(names):
            raise TypeError(f"{message!r} takes {len(names)} values: {', '.join(names)}")
        active = log.active
        if active is None:
            _loguru.bind(module=module, **dict(zip(names, values, strict=True))).log(_LOGURU_NAMES[level], message)
        elif number >= active.level_number:
            if not (all_open and are_safe(values)):
                values = tuple(map(redact_item, names, values))
            active.emit(number, line_type(datetime.now(UTC), level, module, message, correlation_id.get(), *values))

    return event


def emit_access(line: AccessLine) -> None:
    """Log one finished request, redacted already, while logging is not configured."""
    _loguru.bind(**msgspec.to_builtins(line)).log(_LOGURU_NAMES[line.level], line.message)


def flush_logs() -> None:
    """Write every line logged so far; does nothing before `configure_logging`."""
    if log.active is not None:
        log.active.flush()


def set_log_buffering(*, on: bool) -> None:
    """Collect lines for up to 50 ms (the rule), or write each at once."""
    if log.active is not None:
        log.active.writer.set_buffered(buffered=on)


def _line(moment: datetime, level: str, module: str, message: str) -> dict[str, object]:
    line: dict[str, object] = {"time": moment, "level": level, "module": module, "message": redact_text(message)}
    identifier = correlation_id.get()
    if identifier is not None:
        line["correlation_id"] = identifier
    context = correlation_fields.get()
    if context:
        _add_fields(line, context)
    return line


def _add_fields(line: dict[str, object], fields: Mapping[str, object]) -> None:
    for key, value in fields.items():
        line[key if key not in _CORE else f"{key}_"] = redact_item(key, value)


def _level_name(number: int) -> str:
    name = "trace"
    for candidate, at_least in LEVELS.items():
        if number >= at_least:
            name = candidate
    return name


def _dropped_line(count: int) -> dict[str, object]:
    return _line(datetime.now(UTC), "warn", "singr_observability", "log lines dropped: the sink is too slow") | {
        "dropped": count
    }


def _remove_default_handler() -> None:
    try:
        _loguru.remove(0)
    except ValueError:
        return  # someone removed it before


class _IntoLoguru(logging.Handler):
    """Hands the standard library's records to loguru, so that every line takes one way."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record under its logger's name."""
        error = record.exc_info[1] if record.exc_info else None
        if getattr(error, "__singr_logged__", False):
            return
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a record whose arguments do not fit its text is still worth its text
            message = str(record.msg)
        if (told := self._repeats.of(record, message)) is None:
            return
        level = _LOGURU_NAMES[_level_name(record.levelno)]
        _loguru.bind(module=record.name).opt(exception=error).log(level, told)


def _take_over_standard_logging(level: int) -> logging.Handler:
    handler = _IntoLoguru()
    root = logging.getLogger()
    for old in [*root.handlers]:
        if isinstance(old, _IntoLoguru | logging.StreamHandler) and type(old).__module__.startswith(
            ("logging", __name__)
        ):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _STANDARD_LOGGERS:
        named = logging.getLogger(name)
        named.handlers.clear()
        named.propagate = True
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger(_SILENT_LOGGER).setLevel(logging.CRITICAL + 1)
    return handler
