"""A real error report reaches a Sentry endpoint, and nothing secret is in it."""

import pytest

from singr_config import AppEnv, ObservabilitySettings, Secret
from singr_observability import (
    ObservabilityMiddleware,
    build_metrics,
    client_span,
    configure_sentry,
    continued_trace,
    correlation_scope,
    current_traceparent,
    get_logger,
)
from singr_observability.testing import SentryStub

CANARY = "sk_live_c4n4ryV4lue"
REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def sentry():
    with SentryStub() as stub:
        yield stub


@pytest.fixture
def configure(sentry):
    handles = []

    def start(app_env=AppEnv.PRODUCTION, rate=0.0):
        settings = ObservabilitySettings(sentry_dsn=Secret(sentry.dsn), environment=app_env, traces_sample_rate=rate)
        handles.append(configure_sentry(settings, app_env=app_env, component="api"))
        return handles[-1]

    yield start
    for handle in handles:
        handle.shutdown()


def fail(error):
    local_value = "local" + "-value"
    raise error from ValueError(len(local_value))


def report(error, message="failed", **fields):
    try:
        fail(error)
    except BaseException:  # noqa: BLE001 - whatever the test wants reported
        get_logger("singr.test").bind(**fields).exception(message)


def test_error_report_arrives_without_secrets_or_locals(sentry, configure, log):
    handle = configure()
    with correlation_scope("req-7", organization_id="org-1"):
        report(
            RuntimeError(f"bad {CANARY}"),
            f"call with token={CANARY} failed",
            password=CANARY,
            email="jane@x.org",
            count=3,
        )
    handle.shutdown()
    event = sentry.wait_for_event()
    assert event["level"] == "error"
    assert event["logger"] == "singr.test"
    assert event["environment"] == "production"
    assert event["tags"] == {"request_id": "req-7", "organization_id": "org-1", "component": "api"}
    assert event["extra"] == {"password": "[REDACTED]", "email": "j***@x.org", "count": 3, "organization_id": "org-1"}
    kinds = [value["type"] for value in event["exception"]["values"]]
    assert sorted(kinds) == ["RuntimeError", "ValueError"]
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any(frame["function"] == "fail" for frame in frames)
    assert all("vars" not in frame for frame in frames)
    for secret in (CANARY.encode(), b"jane@", b"local-value"):
        assert secret not in sentry.received


async def test_failed_request_is_reported_without_its_headers_query_and_body(sentry, configure, log, asgi):
    handle = configure()

    async def app(scope, receive, send):
        raise RuntimeError("boom")

    middleware = ObservabilityMiddleware(app, metrics=build_metrics(), log_requests=True)
    await asgi(
        middleware,
        headers=[(b"x-request-id", b"req-8"), (b"authorization", CANARY.encode()), (b"traceparent", REMOTE.encode())],
        query_string=f"token={CANARY}".encode(),
    )
    handle.shutdown()
    event = sentry.wait_for_event()
    assert event["tags"]["request_id"] == "req-8"
    assert event["tags"]["trace_id"] == REMOTE.split("-")[1]
    assert CANARY.encode() not in sentry.received


def test_only_errors_are_reported_each_once(sentry, configure, log):
    handle = configure()
    get_logger("m").warning("warned")
    error = RuntimeError("once")
    report(error)
    report(error)
    get_logger("m").error("plain")
    handle.shutdown()
    assert sorted(event["logentry"]["formatted"] for event in sentry.events) == ["failed", "plain"]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"), OSError(111, "no"),
        RuntimeError("connection failed: Connection refused"),
        ExceptionGroup("all", [ConnectionRefusedError(), ConnectionRefusedError()]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("app_env", "reported"), [(AppEnv.DEVELOPMENT, 0), (AppEnv.TEST, 0), (AppEnv.PRODUCTION, 1)])
def test_refused_connections_are_reported_in_production_only(sentry, configure, log, error, app_env, reported):
    handle = configure(app_env)
    report(error)
    try:
        raise TypeError from error  # noqa: TRY301 - a driver's wrapper
    except TypeError:
        get_logger("m").exception("wrapped")
    handle.shutdown()
    assert len(sentry.events) == 2 * reported


async def test_trace_has_server_and_client_spans_redacted(sentry, configure, log, asgi):
    handle = configure(AppEnv.TEST, rate=1.0)

    async def app(scope, receive, send):
        scope["state"]["route_template"] = "/v1/jobs"
        with client_span("mailjet.send", token=CANARY, channel="email"):
            assert (current_traceparent() or "").startswith("00-0af76519")
        await send({"type": "http.response.start", "status": 202})
        await send({"type": "http.response.body"})

    middleware = ObservabilityMiddleware(app, metrics=build_metrics(), log_requests=True)
    await asgi(middleware, headers=[(b"traceparent", REMOTE.encode())])
    with continued_trace("job email.send", REMOTE):
        pass
    handle.shutdown()
    transaction = sentry.wait_for_transaction(lambda item: item["transaction"] == "GET /v1/jobs")
    assert transaction["contexts"]["trace"]["trace_id"] == REMOTE.split("-")[1]
    assert transaction["contexts"]["trace"]["parent_span_id"] == REMOTE.split("-")[2]
    assert [span["description"] for span in transaction["spans"]] == ["mailjet.send"]
    assert transaction["spans"][0]["data"]["token"] == "[REDACTED]"
    assert sentry.wait_for_transaction(lambda item: item["transaction"] == "job email.send")
    assert CANARY.encode() not in sentry.received


def test_share_of_traces_follows_the_rate(sentry, configure, log):
    handle = configure(AppEnv.PRODUCTION, rate=0.1)
    for _ in range(300):
        with continued_trace("job", None):
            pass
    handle.shutdown()
    assert 5 <= len(sentry.transactions) <= 75


def test_off_without_a_dsn(sentry, log):
    handle = configure_sentry(ObservabilitySettings(), app_env=AppEnv.PRODUCTION, component="api")
    assert not handle.enabled
    get_logger("m").error("stays here")
    handle.shutdown()
    assert sentry.received == b""
