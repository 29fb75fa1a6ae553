"""The middleware behind a real server: callers who leave, streams that break, a stop by signal."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

APP = """
import asyncio, sys
import uvicorn
from singr_observability import ObservabilityMiddleware, build_metrics, configure_logging

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    scope["state"]["route_template"] = path
    if path == "/boom":
        raise RuntimeError("password=c4n4ry")
    if path == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
    if path == "/break":
        raise RuntimeError("midway")
    await send({"type": "http.response.body", "body": b""})

configure_logging(level="info", json=True)
server = uvicorn.Server(uvicorn.Config(
    ObservabilityMiddleware(app, metrics=build_metrics(), log_requests=True), fd=int(sys.argv[1]), log_config=None,
))
server.run()
"""


class Service:
    """A uvicorn process, and its log."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Any) -> None:
        self.process, self.port, self._log = process, port, log

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_bytes().splitlines()]

    def wait_for(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in self.lines():
                if matches(line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no such line in {self.lines()}")

    def get(self, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={"authorization": "Bearer c4n4ry"})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    listener = socket.create_server(("127.0.0.1", 0))
    log = tmp_path / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", APP, str(listener.fileno())], pass_fds=[listener.fileno()], stderr=stream
        )
    port = listener.getsockname()[1]
    listener.close()
    running = Service(process, port, log)
    running.wait_for(lambda line: "startup complete" in line["message"])
    yield running
    process.kill()
    process.wait()


def test_requests_of_every_kind_end_in_one_truthful_line(service: Service):
    response, body = service.get("/stream?token=c4n4ry")
    assert (response.status, body) == (200, b"partpartpart")
    line = service.wait_for(lambda line: line.get("path") == "/stream")
    assert (line["status"], line["bytes"], line["request_id"]) == (200, 12, response.getheader("x-request-id"))

    response, body = service.get("/stream", method="HEAD")
    assert body == b""
    assert service.wait_for(lambda line: line.get("method") == "HEAD")["bytes"] == 0

    response, body = service.get("/boom")
    assert response.status == 500
    assert json.loads(body)["request_id"] == response.getheader("x-request-id")

    with pytest.raises(http.client.IncompleteRead):
        service.get("/break")
    assert service.wait_for(lambda line: line.get("path") == "/break")["aborted"] is True

    with socket.create_connection(("127.0.0.1", service.port)) as caller:
        caller.sendall(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
    assert service.wait_for(lambda line: line.get("path") == "/wait")["status"] == 499

    service.process.send_signal(signal.SIGTERM)
    service.process.wait(20)
    lines = service.lines()
    assert [line["message"] for line in lines].count("unhandled exception") == 2, "the server does not repeat them"
    assert [line["path"] for line in lines if line["message"] == "request"].count("/wait") == 1
    assert "Finished server process" in lines[-1]["message"], "the last words are written too"
    assert "c4n4ry" not in json.dumps(lines)


def test_line_of_the_last_request_before_a_stop_is_written(service: Service):
    service.get("/stream")
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(20)
    assert [line["path"] for line in service.lines() if line["message"] == "request"] == ["/stream"]
