"""What may go wrong while observability is being set up."""

from singr_config import PortableError


class ObservabilityError(PortableError):
    """Base of this package's errors."""


class TracingUnavailableError(ObservabilityError):
    """An OTLP endpoint is configured, but the OpenTelemetry packages are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: "
            "install singr-observability[otel], or leave the variable empty to go without traces"
        )
