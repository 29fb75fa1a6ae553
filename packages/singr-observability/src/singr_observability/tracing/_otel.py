"""The OpenTelemetry tracer; the only module that imports its packages (extra `[otel]`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from singr_observability.redaction._redaction import redact_item, redact_text
from singr_observability.tracing._tracing import Attributes, Span

_KINDS: Final = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT}
_EXPORT_SECONDS: Final = 5.0
_BATCH_MILLISECONDS: Final = 1000
_PATH: Final = "/v1/traces"
_PLAIN_TYPES = (bool, int, float, str)


def _attribute(key: str, value: object) -> bool | int | float | str:
    shown = redact_item(key, value)
    return shown if isinstance(shown, _PLAIN_TYPES) else str(shown)


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: object) -> None:
        for key, value in attributes.items():
            if value is not None:
                self._span.set_attribute(key, _attribute(key, value))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error: BaseException | None) -> None:
        if error is None:
            self._span.set_status(Status(StatusCode.ERROR))
            return
        # Not record_exception: it would send the message and the stack as they are.
        message = redact_text(str(error))
        self._span.add_event("exception", {"exception.type": type(error).__qualname__, "exception.message": message})
        self._span.set_status(Status(StatusCode.ERROR, message))


class OtelBackend:
    """Spans to an OTLP/HTTP collector, from a provider of our own: nothing global is touched."""

    def __init__(self, *, endpoint: str, service: str, environment: str, sample_rate: float) -> None:
        resource = Resource.create(
            {"service.name": service, "service.namespace": "singr", "deployment.environment.name": environment}
        )
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(sample_rate)), shutdown_on_exit=True
        )
        exporter = OTLPSpanExporter(endpoint=_traces_url(endpoint), timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_BATCH_MILLISECONDS))
        self._tracer = self._provider.get_tracer("singr_observability")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, kind: str, name: str, traceparent: str | None, attributes: Attributes) -> Iterator[Span]:
        """Open a span and make it the current one."""
        context: Context | None = None
        if kind != "client":
            context = Context()
            if traceparent is not None:
                context = self._propagator.extract({"traceparent": traceparent}, context)
        span = self._tracer.start_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes={key: _attribute(key, value) for key, value in attributes.items() if value is not None},
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield _OtelSpan(span)

    def traceparent(self) -> str | None:
        """Return the current span's trace context."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def shutdown(self) -> None:
        """Send what waits and stop."""
        self._provider.shutdown()


def _traces_url(endpoint: str) -> str:
    """Return the address for traces below an OTLP base endpoint, as OTEL_EXPORTER_OTLP_ENDPOINT means it."""
    path = urlsplit(endpoint).path.rstrip("/")
    return endpoint if path.endswith(_PATH) else endpoint.rstrip("/") + _PATH
