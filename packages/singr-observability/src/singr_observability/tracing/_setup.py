"""Tracing on and off, by configuration."""

from typing import Protocol

from singr_observability._errors import TracingUnavailableError
from singr_observability.tracing._tracing import SpanBackend, tracers


class TracingSettings(Protocol):
    """What tracing needs of `singr_config.ObservabilitySettings`."""

    @property
    def otlp_endpoint(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def traces_sample_rate(self) -> float: ...


class _Stoppable(SpanBackend, Protocol):
    def shutdown(self) -> None: ...


class TracerHandle:
    """The configured tracing of this process."""

    def __init__(self, backend: _Stoppable | None) -> None:
        self._backend = backend

    @property
    def enabled(self) -> bool:
        """Whether spans are recorded."""
        return self._backend is not None

    def shutdown(self) -> None:
        """Send the spans that wait and turn tracing off; safe to call twice, and when it was never on."""
        backend, self._backend = self._backend, None
        if backend is not None:
            tracers.remove(backend)
            backend.shutdown()


def configure_tracing(settings: TracingSettings, *, component: str) -> TracerHandle:
    """Send OpenTelemetry spans of `singr-{component}` to the OTLP/HTTP endpoint of the settings; empty: stay off.

    New traces are sampled at `settings.traces_sample_rate`; a caller's decision in `traceparent` is followed. Raises
    TracingUnavailableError when the packages of the extra `[otel]` are missing.
    """
    if not settings.otlp_endpoint:
        return TracerHandle(None)
    try:
        from singr_observability.tracing._otel import OtelBackend  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError as error:
        raise TracingUnavailableError from error
    backend = OtelBackend(
        endpoint=settings.otlp_endpoint,
        service=f"singr-{component}",
        environment=str(settings.environment),
        sample_rate=settings.traces_sample_rate,
    )
    tracers.add(backend)
    return TracerHandle(backend)
