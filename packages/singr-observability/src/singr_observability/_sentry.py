"""Error reports and performance traces to Sentry, with nothing in them that a log could not hold."""

import errno
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

from loguru import logger as _loguru

from singr_observability.redaction._redaction import REDACTED, redact, redact_item, redact_text
from singr_observability.tracing._correlation import correlation_fields, correlation_id
from singr_observability.tracing._tracing import Attributes, Span, current_traceparent, tracers

if TYPE_CHECKING:
    from loguru import Message
    from sentry_sdk.types import Event, Hint

_PRODUCTION: Final = "production"
_SHUTDOWN_SECONDS: Final = 2.0
# Structure of the event, not data: hiding by key would break the report ("tokens" of a stack frame and the like).
_DROPPED_REQUEST_PARTS: Final = ("data", "cookies", "query_string", "env", "headers")
_MAX_CHAIN: Final = 10


class RevealableSecret(Protocol):
    """What this package needs of `singr_config.Secret`."""

    def reveal(self) -> str: ...


class SentrySettings(Protocol):
    """What error reports need of `singr_config.ObservabilitySettings`."""

    @property
    def sentry_dsn(self) -> RevealableSecret: ...
    @property
    def traces_sample_rate(self) -> float: ...


class SentryHandle:
    """The configured error reports of this process."""

    def __init__(self, backend: "_SentryBackend | None", sink: int | None) -> None:
        self._backend = backend
        self._sink = sink

    @property
    def enabled(self) -> bool:
        """Whether errors are reported."""
        return self._backend is not None

    def shutdown(self) -> None:
        """Send what waits (2 s at most) and turn reports off; safe to call twice, and when it was never on."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        import sentry_sdk  # noqa: PLC0415 - see configure_sentry

        tracers.remove(backend)
        if self._sink is not None:
            _loguru.remove(self._sink)
        sentry_sdk.get_client().close(timeout=_SHUTDOWN_SECONDS)


def configure_sentry(settings: SentrySettings, *, app_env: str, component: str) -> SentryHandle:
    """Report what is logged at error or worse to Sentry, and sample traces; an empty DSN: stay off.

    Reports hold no local variables, request bodies, headers, cookies or query strings, and everything in them is
    redacted as log lines are. Outside production, connections refused (a store that is not up yet) are not reported.
    Raises sentry_sdk's BadDsn for a DSN that is none.
    """
    dsn = settings.sentry_dsn.reveal()
    if not dsn:
        return SentryHandle(None, None)
    import sentry_sdk  # noqa: PLC0415 - slow to import, and not needed without a DSN
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415

    filters = _Filters(app_env=str(app_env), component=component)
    sentry_sdk.init(
        dsn=dsn,
        environment=str(app_env),
        # send_default_pii stays unset: that means no personal data, and naming it is deprecated since 2.75.
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        # Integrations on their own account send what we would not: job arguments, statements, command lines.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration(), AtexitIntegration(callback=lambda _pending, _timeout: None)],
        before_send=filters.error,
        before_send_transaction=filters.transaction,
        traces_sample_rate=settings.traces_sample_rate,
        trace_propagation_targets=[],
        auto_session_tracking=False,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    backend = _SentryBackend(settings.traces_sample_rate)
    tracers.add(backend)
    sink = _loguru.add(_report, level="ERROR", format=lambda _: "", backtrace=False, diagnose=False, catch=True)
    return SentryHandle(backend, sink)


class _Filters:
    """The last stop of every event before it leaves the process."""

    def __init__(self, *, app_env: str, component: str) -> None:
        self._production = app_env == _PRODUCTION
        self._component = component

    def error(self, event: "Event", hint: "Hint") -> "Event | None":
        """Redact an error report, or drop it (None)."""
        error = (hint.get("exc_info") or (None, None, None))[1]
        if not self._production and error is not None and is_connection_refused(error):
            return None
        return self._redacted(event)

    def transaction(self, event: "Event", _hint: "Hint") -> "Event | None":
        """Redact a trace."""
        return self._redacted(event)

    def _redacted(self, event: "Event") -> "Event":
        cleaned: dict[str, Any] = {key: _redact_part(key, value) for key, value in event.items()}
        request = cleaned.get("request")
        if isinstance(request, dict):
            for part in _DROPPED_REQUEST_PARTS:
                request.pop(part, None)
        cleaned.pop("user", None)
        cleaned.setdefault("tags", {})
        cleaned["tags"]["component"] = self._component
        return cleaned  # type: ignore[return-value] # the same keys as the Event that came in


def _redact_part(key: str, value: Any) -> Any:
    if key in {"event_id", "timestamp", "start_timestamp", "sdk", "platform", "type", "level", "_meta"}:
        return value
    return redact_deep(value)


def redact_deep(value: Any) -> Any:
    """Redact by key and pattern without `redact`'s limits on depth and size: an event must stay whole."""
    if isinstance(value, dict):
        return {
            key: redact_deep(item) if isinstance(item, dict | list | tuple) and redact_item(str(key), "x") != REDACTED
            else redact_item(str(key), item)
            for key, item in value.items()
        }  # fmt: skip
    if isinstance(value, list | tuple):
        return [redact_deep(item) for item in value]
    return redact(value)


def is_connection_refused(error: BaseException) -> bool:
    """Tell whether a refused connection is at the bottom of an exception (also of a group, or in a driver's words)."""
    seen: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if seen is None:
            return False
        if isinstance(seen, ConnectionRefusedError) or getattr(seen, "errno", None) == errno.ECONNREFUSED:
            return True
        if isinstance(seen, BaseExceptionGroup) and all(map(is_connection_refused, seen.exceptions)):
            return True
        if "connection refused" in str(seen).lower():
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _report(message: "Message") -> None:
    """Turn a log record into an event."""
    import sentry_sdk  # noqa: PLC0415 - see configure_sentry
    from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

    client = sentry_sdk.get_client()
    if not client.is_active():
        return
    record = message.record
    event: Any = {}
    hint: Any = {}
    error = record["exception"].value if record["exception"] is not None else None
    if error is not None:
        trace: TracebackType | None = error.__traceback__
        event, hint = event_from_exception(
            (type(error), error, trace), client_options=client.options, mechanism={"type": "singr", "handled": True}
        )
    fields = {**correlation_fields.get(), **record["extra"]}
    event["level"] = "fatal" if record["level"].name == "CRITICAL" else "error"
    event["logger"] = str(fields.pop("module", None) or record["name"])
    event["logentry"] = {"formatted": redact_text(record["message"])}
    event["extra"] = fields
    tags = {"request_id": correlation_id.get(), "organization_id": fields.get("organization_id")}
    traceparent = current_traceparent()
    if traceparent is not None:
        tags["trace_id"] = traceparent.split("-")[1]
    event["tags"] = {name: str(value) for name, value in tags.items() if value is not None}
    sentry_sdk.capture_event(event, hint)


class _SentrySpan:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **attributes: object) -> None:
        for key, value in attributes.items():
            if value is not None:
                self._span.set_data(key, redact_item(key, value))

    def rename(self, name: str) -> None:
        self._span.name = name

    def fail(self, error: BaseException | None) -> None:
        del error  # reported by its log line
        self._span.set_status("internal_error")


class _NullSpan:
    def set(self, **attributes: object) -> None: ...
    def rename(self, name: str) -> None: ...
    def fail(self, error: BaseException | None) -> None: ...


_NULL: Final = _NullSpan()
_OPERATIONS: Final = {"server": "http.server", "consumer": "queue.process", "client": "http.client"}


class _SentryBackend:
    """Sentry's performance traces. Whether to sample is decided here: Sentry's own way costs a scope per request."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    @contextmanager
    def span(self, kind: str, name: str, traceparent: str | None, attributes: Attributes) -> Iterator[Span]:
        """Open a transaction (server, consumer) or, inside of one, a span (client)."""
        import sentry_sdk  # noqa: PLC0415 - see configure_sentry

        if kind == "client":
            if sentry_sdk.get_current_span() is None:
                yield _NULL
                return
            with sentry_sdk.start_span(op=_OPERATIONS[kind], name=name) as child:
                shown = _SentrySpan(child)
                shown.set(**attributes)
                yield shown
            return
        if random.random() >= self._rate:  # noqa: S311 - a sample, not a secret
            yield _NULL
            return
        with sentry_sdk.isolation_scope():
            carried = {"sentry-trace": "-".join(traceparent.split("-")[1:3])} if traceparent else {}
            transaction = sentry_sdk.continue_trace(carried, op=_OPERATIONS[kind], name=name)
            transaction.sampled = True
            with sentry_sdk.start_transaction(transaction):
                shown = _SentrySpan(transaction)
                shown.set(**attributes)
                yield shown

    def traceparent(self) -> str | None:
        """Return the current span's trace context in W3C form."""
        import sentry_sdk  # noqa: PLC0415 - see configure_sentry

        span = sentry_sdk.get_current_span()
        return None if span is None else f"00-{span.trace_id}-{span.span_id}-01"
