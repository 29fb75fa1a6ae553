"""One trace from the request over the job to the provider call, received by a real collector."""

import asyncio
import subprocess
import sys

import pytest

from singr_config import AppEnv, ObservabilitySettings
from singr_observability import (
    ObservabilityMiddleware,
    TracingUnavailableError,
    build_metrics,
    client_span,
    configure_tracing,
    continued_trace,
    correlation_id,
    current_traceparent,
    run_in_thread,
    trace_headers,
)
from singr_observability.testing import CollectorStub

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = REMOTE[:-1] + "0"
CANARY = "sk_live_c4n4ryV4lue"


@pytest.fixture
def collector():
    with CollectorStub() as stub:
        yield stub


@pytest.fixture
def tracing(collector):
    settings = ObservabilitySettings(otlp_endpoint=collector.endpoint, environment=AppEnv.TEST, traces_sample_rate=1.0)
    handle = configure_tracing(settings, component="api")
    yield handle
    handle.shutdown()


async def job(traceparent):
    with continued_trace("job email.send", traceparent, queue="email", recipient_email="jane@x.org"):
        await provider_call()


async def provider_call():
    with client_span("mailjet.send", channel="email", api_key=CANARY) as span:
        span.set(status=200)
        return trace_headers()


def by_name(collector):
    return {span.name: span for span in collector.spans}


async def test_one_trace_joins_request_job_and_provider_call(collector, tracing, log, asgi):
    stored = []

    async def app(scope, receive, send):
        stored.append((current_traceparent(), correlation_id.get()))
        scope["state"]["route_template"] = "/v1/jobs"
        await send({"type": "http.response.start", "status": 202})
        await send({"type": "http.response.body"})

    middleware = ObservabilityMiddleware(app, metrics=build_metrics(), log_requests=True)
    await asgi(middleware, method="POST", headers=[(b"traceparent", REMOTE.encode())], query_string=CANARY.encode())
    await asyncio.create_task(job(stored[0][0]))
    tracing.shutdown()

    spans = by_name(collector)
    server, consumer, client = spans["POST /v1/jobs"], spans["job email.send"], spans["mailjet.send"]
    assert {span.trace_id for span in (server, consumer, client)} == {REMOTE.split("-")[1]}
    assert server.parent_span_id == REMOTE.split("-")[2]
    assert consumer.parent_span_id == server.span_id
    assert client.parent_span_id == consumer.span_id
    assert (server.kind, consumer.kind, client.kind) == ("server", "consumer", "client")
    assert server.service == "singr-api"
    assert server.attributes["http.response.status_code"] == 202
    assert server.attributes["singr.request_id"] == stored[0][1]
    assert client.attributes == {"channel": "email", "api_key": "[REDACTED]", "status": 200}
    assert consumer.attributes["recipient_email"] == "j***@x.org"
    assert CANARY.encode() not in collector.received
    assert b"jane@" not in collector.received


async def test_provider_gets_the_headers_of_its_own_span(collector, tracing):
    headers = await provider_call()
    tracing.shutdown()
    span = by_name(collector)["mailjet.send"]
    assert headers["traceparent"][:-3] == f"00-{span.trace_id}-{span.span_id}"
    assert int(headers["traceparent"][-2:], 16) & 1, "sampled"


async def test_failed_span_is_marked_and_its_message_redacted(collector, tracing, log, asgi):
    async def app(scope, receive, send):
        with client_span("twilio.send"):
            raise RuntimeError(f"refused {CANARY}")

    await asgi(ObservabilityMiddleware(app, metrics=build_metrics(), log_requests=True))
    tracing.shutdown()
    spans = by_name(collector)
    for span in (spans["twilio.send"], spans["GET unmatched"]):
        assert span.failed
        assert span.events[0]["exception.message"] == "refused [REDACTED]"
    assert CANARY.encode() not in collector.received


async def test_context_crosses_into_threads(collector, tracing):
    def in_thread():
        with client_span("inner"):
            pass

    with client_span("outer"):
        await run_in_thread(in_thread)
    tracing.shutdown()
    spans = by_name(collector)
    assert spans["inner"].parent_span_id == spans["outer"].span_id


async def test_callers_decision_not_to_sample_is_followed_and_handed_on(collector, tracing):
    with continued_trace("job", UNSAMPLED):
        assert (current_traceparent() or "").endswith("-00")
    tracing.shutdown()
    assert collector.spans == []


async def test_concurrent_jobs_keep_their_traces_apart(collector, tracing):
    remotes = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 30)]

    async def one(remote):
        with continued_trace(remote, remote):
            await asyncio.sleep(0)
            with client_span(f"call {remote}"):
                await asyncio.sleep(0)

    await asyncio.gather(*map(one, remotes))
    tracing.shutdown()
    spans = by_name(collector)
    for remote in remotes:
        assert spans[f"call {remote}"].parent_span_id == spans[remote].span_id
        assert spans[remote].trace_id == remote.split("-")[1]


def test_spans_arrive_without_a_shutdown(collector, tracing):
    with client_span("soon"):
        pass
    assert collector.wait_for(lambda span: span.name == "soon").kind == "client"


def test_off_until_configured_and_off_again():
    handle = configure_tracing(ObservabilitySettings(), component="api")
    assert not handle.enabled
    handle.shutdown()
    with client_span("nothing") as span:
        span.set(a=1)
    assert current_traceparent() is None
    assert trace_headers() == {}
    with continued_trace("job", REMOTE):
        assert trace_headers() == {"traceparent": REMOTE}
    with continued_trace("job", "nonsense"):
        assert trace_headers() == {}


@pytest.mark.timeout(60)  # without a bound the exporter would try again for as long as it runs
def test_collector_that_is_gone_holds_nothing_up():
    with CollectorStub() as stub:
        endpoint = stub.endpoint
    handle = configure_tracing(
        ObservabilitySettings(otlp_endpoint=endpoint, traces_sample_rate=1.0), component="worker"
    )
    with client_span("lost"):
        pass
    handle.shutdown()


def test_endpoint_without_the_packages_is_a_clear_error_at_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "singr_observability.tracing._otel", None)
    with pytest.raises(TracingUnavailableError, match=r"singr-observability\[otel\]"):
        configure_tracing(ObservabilitySettings(otlp_endpoint="http://127.0.0.1:1"), component="api")


def test_import_starts_nothing_and_needs_no_extra():
    script = (
        "import sys, threading\nimport singr_observability\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('opentelemetry', 'sentry_sdk')]\n"
        "assert not bad, bad\nassert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
