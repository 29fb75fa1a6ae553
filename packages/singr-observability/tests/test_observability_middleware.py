"""Every request has an id, one line and its place in the metrics, however it ends; nothing else of it is told."""

import asyncio
import json

import pytest

from singr_observability import (
    ObservabilityMiddleware,
    build_metrics,
    correlation_id,
    current_traceparent,
    get_logger,
    trace_headers,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def metrics():
    return build_metrics()


async def answer(scope, receive, send):
    scope["state"]["route_template"] = "/v1/jobs/{job_id}"
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"b")]})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body", "body": b"678"})


def wrap(app, metrics, **options):
    return ObservabilityMiddleware(app, metrics=metrics, **{"log_requests": True, **options})


def header(sent, name=b"x-request-id"):
    return [value for key, value in sent[0]["headers"] if key == name]


def counted(metrics):
    values = metrics.render_json()["singr_http_requests"]["values"]
    return [(*value["labels"].values(), value["value"]) for value in values]


async def test_request_has_one_line_with_all_it_needs_and_nothing_more(log, asgi, metrics):
    await asgi(
        wrap(answer, metrics),
        "/v1/jobs/01920000-0000-7000-8000-000000000001",
        method="POST",
        query_string=b"token=c4n4ry",
        headers=[(b"authorization", b"Bearer c4n4ry"), (b"x-request-id", b"req-1"), (b"cookie", b"c4n4ry")],
        state={"organization_id": "org"},
    )
    (line,) = log.lines
    assert line.pop("duration_ms") >= 0
    assert line.pop("time")
    assert line == {
        "level": "info", "module": "singr.http", "message": "request", "correlation_id": "req-1", "request_id": "req-1",
        "method": "POST", "route": "/v1/jobs/{job_id}", "path": "/v1/jobs/01920000-0000-7000-8000-000000000001",
        "status": 201, "bytes": 8, "client": "203.0.113.0", "organization_id": "org",
    }  # fmt: skip
    assert counted(metrics) == [("POST", "/v1/jobs/{job_id}", "201", 1)]


async def test_request_id_is_taken_made_and_returned(log, asgi, metrics):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["state"]["request_id"], correlation_id.get(), trace_headers()["x-request-id"]))
        get_logger("m").info("inside")
        await answer(scope, receive, send)

    for presented in (b"abc-1._Z", b"a" * 128):
        sent = await asgi(wrap(app, metrics), headers=[(b"x-request-id", presented)])
        assert header(sent) == [presented]
        assert set(seen[-1]) == {presented.decode()}
        assert log.lines[-2]["correlation_id"] == presented.decode()
    for refused in (
        b"",
        b"a" * 129,
        b"a b",
        b"a\nb",
        "ä".encode(),
        b"sk_live_abcdefgh",
        b"eyJhbGciOiJF.eyJzdWI.x",
        b'"',
    ):
        sent = await asgi(wrap(app, metrics), headers=[(b"x-request-id", refused)])
        assert header(sent) != [refused]
        assert header(sent) == [seen[-1][0].encode()]
        assert len(seen[-1][0]) == 32
    assert correlation_id.get() is None
    assert header(sent, b"x-a") == [b"b"]


async def test_message_of_the_app_is_not_changed_for_the_next_request(log, asgi, metrics):
    start = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def app(scope, receive, send):
        await send(start)
        await send({"type": "http.response.body"})

    first, second = [await asgi(wrap(app, metrics)) for _ in range(2)]
    assert header(first) != header(second)
    assert start["headers"] == [(b"a", b"b")]


async def test_exception_before_the_answer_becomes_a_problem_with_the_id(log, asgi, metrics):
    async def app(scope, receive, send):
        raise RuntimeError("no connection to postgresql://u:c4n4ry@h/d")

    sent = await asgi(wrap(app, metrics), headers=[(b"x-request-id", b"req-9")])
    body = json.loads(sent[1]["body"])
    assert sent[0]["status"] == body["status"] == 500
    assert header(sent) == [b"req-9"]
    assert header(sent, b"content-type") == [b"application/problem+json"]
    assert body["request_id"] == "req-9"
    error, access = log.lines
    assert error["exception"]["type"] == "RuntimeError"
    assert (error["correlation_id"], access["status"], access["level"]) == ("req-9", 500, "error")
    assert "c4n4ry" not in log.text + json.dumps(body)
    assert counted(metrics) == [("GET", "unmatched", "500", 1)]
    assert metrics.render_json()["singr_http_errors"]["values"][0]["value"] == 1


async def test_exception_after_the_start_is_raised_on_for_the_server_to_cut(log, asgi, metrics):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        await asgi(wrap(app, metrics))
    assert [line["message"] for line in log.lines] == ["unhandled exception", "request"]
    assert log.lines[1]["aborted"] is True


async def test_caller_who_left_counts_as_499(log, asgi, metrics):
    async def leaves(scope, receive, send):
        assert (await receive())["type"] == "http.disconnect"

    assert await asgi(wrap(leaves, metrics)) == []
    assert log.lines[0]["status"] == 499
    assert counted(metrics) == [("GET", "unmatched", "499", 1)]


async def test_cancelled_request_is_logged_and_stays_cancelled(log, asgi, metrics):
    started = asyncio.Event()

    async def hangs(scope, receive, send):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(asgi(wrap(hangs, metrics)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (log.lines[0]["status"], log.lines[0]["aborted"]) == (499, True)


async def test_send_to_a_caller_who_is_gone_is_no_error(log, asgi, metrics):
    async def send(message):
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    middleware = wrap(answer, metrics)
    await middleware({"type": "http", "method": "GET", "path": "/", "headers": [], "client": None}, None, send)
    (line,) = log.lines
    assert (line["status"], line["aborted"], line["level"]) == (201, True, "info")
    assert "client" not in line


async def test_app_without_an_answer_gets_one(log, asgi, metrics):
    async def waits():
        await asyncio.Event().wait()

    async def silent(scope, receive, send): ...

    sent = []

    async def send(message):
        sent.append(message)

    await wrap(silent, metrics)({"type": "http", "method": "GET", "path": "/", "headers": []}, waits, send)
    assert sent[0]["status"] == 500
    assert [line["message"] for line in log.lines] == ["the application returned without a response", "request"]


async def test_head_counts_no_bytes_and_unknown_methods_make_no_series(log, asgi, metrics):
    await asgi(wrap(answer, metrics), method="HEAD")
    await asgi(wrap(answer, metrics), method="BREW-1")
    await asgi(wrap(answer, metrics), method="BREW-2")
    assert log.lines[0]["bytes"] == 0
    assert counted(metrics)[1] == ("OTHER", "/v1/jobs/{job_id}", "201", 2)


async def test_paths_never_become_labels(log, asgi, metrics):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 404})
        await send({"type": "http.response.body"})

    for number in range(50):
        await asgi(wrap(app, metrics), f"/random/{number}")
    assert counted(metrics) == [("GET", "unmatched", "404", 50)]


async def test_route_comes_from_the_callable_the_state_or_litestar(log, asgi, metrics):
    async def app(scope, receive, send):
        scope["path_template"] = "/litestar/{x}"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    def raises(scope):
        raise KeyError(scope["path"])

    await asgi(wrap(app, metrics))
    await asgi(wrap(app, metrics, route_template=lambda _: "/called"))
    await asgi(wrap(answer, metrics, route_template=lambda _: None))
    await asgi(wrap(answer, metrics, route_template=raises))
    routes = ["/litestar/{x}", "/called", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}"]
    assert [line["route"] for line in log.lines] == routes


async def test_logging_may_be_off_and_metrics_stay(log, asgi, metrics):
    await asgi(wrap(answer, metrics, log_requests=False))
    assert log.lines == []
    assert counted(metrics)[0][-1] == 1


async def test_websocket_and_lifespan_pass_through(log, asgi, metrics):
    async def app(scope, receive, send):
        await send({"type": scope["type"], "id": correlation_id.get(), "state": scope.get("state")})

    websocket = await asgi(wrap(app, metrics), type="websocket", headers=[(b"x-request-id", b"ws-1")])
    assert websocket == [{"type": "websocket", "id": "ws-1", "state": {"request_id": "ws-1"}}]
    assert (await asgi(wrap(app, metrics), type="lifespan"))[0]["type"] == "lifespan"
    assert (await asgi(wrap(app, metrics), type="other"))[0]["type"] == "other"
    assert counted(metrics) == []


async def test_trace_context_is_carried_without_tracing(log, asgi, metrics):
    seen = []

    async def app(scope, receive, send):
        seen.append((current_traceparent(), trace_headers().get("traceparent")))
        await answer(scope, receive, send)

    await asgi(wrap(app, metrics), headers=[(b"traceparent", TRACEPARENT.encode())])
    for wrong in (
        b"x",
        TRACEPARENT.upper().encode(),
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"\xff",
        b"0" * 500,
        TRACEPARENT.encode() + b"-a\x0bb",  # would break the header it goes out in
        TRACEPARENT.encode() + b"-\xe9",
    ):
        await asgi(wrap(app, metrics), headers=[(b"traceparent", wrong)])
    assert seen == [(TRACEPARENT, TRACEPARENT)] + [(None, None)] * 7
    assert current_traceparent() is None


async def test_concurrent_requests_keep_their_ids_apart(log, asgi, metrics):
    async def app(scope, receive, send):
        before = correlation_id.get()
        await asyncio.sleep(0)
        assert correlation_id.get() == before == scope["state"]["request_id"]
        await answer(scope, receive, send)

    calls = [asgi(wrap(app, metrics), headers=[(b"x-request-id", b"req-%d" % number)]) for number in range(50)]
    answers = await asyncio.gather(*calls)
    assert [header(sent)[0] for sent in answers] == [b"req-%d" % number for number in range(50)]
