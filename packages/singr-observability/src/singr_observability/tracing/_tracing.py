"""Spans from request to provider call. Off until configured, and then nearly free.

Two tracers may be on: OpenTelemetry (`configure_tracing`) and Sentry's performance traces (`configure_sentry`). The
functions here speak to whichever is; the W3C trace context is carried even when none is.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Final, Protocol, Self

from singr_observability.tracing._correlation import correlation_id, incoming_traceparent, valid_traceparent

Attributes = Mapping[str, object]


class Span(Protocol):
    """An open span."""

    def set(self, **attributes: object) -> None:
        """Add attributes; values are redacted."""

    def rename(self, name: str) -> None:
        """Change the name, for what is known only at the end (a route template)."""

    def fail(self, error: BaseException | None) -> None:
        """Mark the span as failed."""


class SpanBackend(Protocol):
    """One tracer."""

    def span(
        self, kind: str, name: str, traceparent: str | None, attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """Open a span of kind server, consumer or client, continuing `traceparent` when it is given."""

    def traceparent(self) -> str | None:
        """Return the current span's W3C trace context."""


class _Tracers:
    """The tracers that are on in this process; changed by configuring only."""

    def __init__(self) -> None:
        self.active: tuple[SpanBackend, ...] = ()

    def add(self, backend: SpanBackend) -> None:
        self.active = (*self.active, backend)

    def remove(self, backend: SpanBackend) -> None:
        self.active = tuple(other for other in self.active if other is not backend)


tracers: Final = _Tracers()


class SpanGroup:
    """One span in each active tracer, seen as one; in none, it does nothing."""

    __slots__ = ("_spans", "_stack")

    def __init__(self, kind: str, name: str, traceparent: str | None, attributes: Attributes) -> None:
        self._stack = ExitStack()
        self._spans: list[Span] = []
        for backend in tracers.active:
            self._spans.append(self._stack.enter_context(backend.span(kind, name, traceparent, attributes)))

    def set(self, **attributes: object) -> None:
        """Add attributes; values are redacted."""
        for span in self._spans:
            span.set(**attributes)

    def rename(self, name: str) -> None:
        """Change the span's name."""
        for span in self._spans:
            span.rename(name)

    def fail(self, error: BaseException | None = None) -> None:
        """Mark the span as failed."""
        for span in self._spans:
            span.fail(error)

    def end(self) -> None:
        """End the span."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(error)
        self.end()


class _NoSpan(SpanGroup):
    """What a block gets while tracing is off: one object for all."""

    __slots__ = ()

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._spans = []

    def __exit__(self, *_: object) -> None:
        return


_NO_SPAN: Final = _NoSpan()


def client_span(name: str, **attributes: object) -> SpanGroup:
    """Open a span around a call to another system, a mail provider for instance.

    Use it as a context manager; `.set(status=202)` on what it gives adds attributes.
    An exception that leaves the block marks the span as failed. Costs well under a microsecond while tracing is off.
    """
    if not tracers.active:
        return _NO_SPAN
    return SpanGroup("client", name, None, attributes)


def tracing_active() -> bool:
    """Tell whether any tracer is on: where none is, hot code may leave out what only a trace would show."""
    return bool(tracers.active)


@contextmanager
def continued_trace(name: str, traceparent: str | None, **attributes: object) -> Iterator[SpanGroup]:
    """Run the block (a job) in the trace that asked for it; `traceparent` may be None or invalid.

    With tracing off the trace context is handed on unchanged, so that `trace_headers` still names it.
    """
    carried = valid_traceparent(traceparent)
    token = incoming_traceparent.set(carried)
    try:
        if not tracers.active:
            yield _NO_SPAN
            return
        with SpanGroup("consumer", name, carried, attributes) as span:
            yield span
    finally:
        incoming_traceparent.reset(token)


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` to store with a job or send to another system; None when there is no trace."""
    for backend in tracers.active:
        current = backend.traceparent()
        if current is not None:
            return current
    return incoming_traceparent.get()


def trace_headers() -> dict[str, str]:
    """Return the headers that tie a call to another system to the current work: `x-request-id`, `traceparent`."""
    headers: dict[str, str] = {}
    identifier = correlation_id.get()
    if identifier is not None:
        headers["x-request-id"] = identifier
    traceparent = current_traceparent()
    if traceparent is not None:
        headers["traceparent"] = traceparent
    return headers
