"""A log to read back, and an ASGI caller."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from singr_observability import LoggingHandle, configure_logging


class Log:
    """What was logged, as parsed lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handle: LoggingHandle | None = None

    @property
    def text(self) -> str:
        assert self.handle is not None
        self.handle.flush()
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    kept = Log()
    kept.handle = configure_logging(level="info", json=True, sink=kept.stream)
    yield kept
    kept.handle.close()


@pytest.fixture
def asgi() -> Callable[..., Any]:
    """Call an ASGI app once; gives the messages it sent."""

    async def call(app: Any, path: str = "/v1/jobs", **scope: Any) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        base = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "client": ("203.0.113.9", 1),
        }
        await app({**base, **scope}, scope.pop("receive", receive), scope.pop("send", send))
        return sent

    return call
