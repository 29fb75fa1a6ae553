"""Logs, redaction, metrics, traces, error reports and the request id that ties them together.

Importing this package starts nothing. An app calls `configure_logging`, `configure_sentry`, `configure_tracing` and
`build_metrics` once, wraps its ASGI app in `ObservabilityMiddleware`, and passes the metrics to whoever counts.
"""

from singr_observability._addresses import address_of, networks_of, site_of, within
from singr_observability._errors import ObservabilityError, TracingUnavailableError
from singr_observability._middleware import ObservabilityMiddleware
from singr_observability._sentry import SentryHandle, configure_sentry
from singr_observability._signals import HANGS_UP, MEANS_NOTHING, watch_signals
from singr_observability.logs._logging import (
    LoggingHandle,
    configure_logging,
    declare_event,
    emit_event,
    flush_logs,
    get_logger,
)
from singr_observability.metrics._metrics import Metrics, build_metrics
from singr_observability.metrics._multiprocess import mark_process_dead, prepare_multiprocess_dir
from singr_observability.metrics._series import Counter, Gauge, Histogram
from singr_observability.redaction._masks import mask_address, mask_email, mask_phone
from singr_observability.redaction._redaction import (
    REDACTED,
    REDACTED_KEYS,
    hide_behind,
    redact,
    redact_path,
    redact_text,
)
from singr_observability.tracing._correlation import (
    bind_correlation,
    correlation_id,
    correlation_scope,
    new_correlation_id,
    run_in_executor,
    run_in_thread,
)
from singr_observability.tracing._setup import TracerHandle, configure_tracing
from singr_observability.tracing._tracing import (
    SpanGroup,
    client_span,
    continued_trace,
    current_traceparent,
    trace_headers,
    tracing_active,
)

__all__ = [
    "HANGS_UP",
    "MEANS_NOTHING",
    "REDACTED",
    "REDACTED_KEYS",
    "Counter",
    "Gauge",
    "Histogram",
    "LoggingHandle",
    "Metrics",
    "ObservabilityError",
    "ObservabilityMiddleware",
    "SentryHandle",
    "SpanGroup",
    "TracerHandle",
    "TracingUnavailableError",
    "address_of",
    "bind_correlation",
    "build_metrics",
    "client_span",
    "configure_logging",
    "configure_sentry",
    "configure_tracing",
    "continued_trace",
    "correlation_id",
    "correlation_scope",
    "current_traceparent",
    "declare_event",
    "emit_event",
    "flush_logs",
    "get_logger",
    "hide_behind",
    "mark_process_dead",
    "mask_address",
    "mask_email",
    "mask_phone",
    "networks_of",
    "new_correlation_id",
    "prepare_multiprocess_dir",
    "redact",
    "redact_path",
    "redact_text",
    "run_in_executor",
    "run_in_thread",
    "site_of",
    "trace_headers",
    "tracing_active",
    "watch_signals",
    "within",
]
