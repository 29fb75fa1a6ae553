# ruff: noqa: INP001, T201, S105, ANN001, ANN202, ANN204, ARG001 - a script: prints, has made-up secrets, and plays ASGI without types
"""What logs, metrics and correlation cost a request, in microseconds of this process's CPU time.

Run: `python packages/singr-observability/bench/overhead.py`. Log lines go to the null device. The share is
of a request of 120 µs, which is what one process spends on a signed, committed ingestion request at 8,000 a second.
"""

import asyncio
import os
import time
import timeit
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from singr_observability import (
    ObservabilityMiddleware,
    build_metrics,
    client_span,
    configure_logging,
    declare_event,
    emit_event,
    get_logger,
    new_correlation_id,
    redact_text,
)

REQUEST_MICROSECONDS = 120
HEADERS = [
    (b"host", b"api.singr.example"),
    (b"user-agent", b"singr-venue/1.4"),
    (b"accept", b"*/*"),
    (b"content-type", b"application/json"),
    (b"content-length", b"412"),
    (b"idempotency-key", b"0b9f6f2e-5a39-4f3a-9f7a-6f0a1d1c2b3a"),
    (b"x-singr-key", b"venue"),
    (b"x-singr-timestamp", b"1795340000"),
    (b"x-singr-nonce", b"p3v0Qm2x8f1kXw7c"),
    (b"x-singr-signature", b"v1=" + b"0f" * 32),
    (b"x-request-id", b"7f3a2b1c9d8e4f5a6b7c8d9e0f1a2b3c"),
]


class _NoSeries:
    def labels(self, *_: object) -> "_NoSeries":
        return self

    def inc(self) -> None: ...
    def observe(self, _: float) -> None: ...


class _NoMetrics:
    http_requests = http_latency = http_errors = _NoSeries()


async def _app(scope, receive, send):
    scope["state"]["route_template"] = "/v1/jobs"
    scope["state"]["organization_id"] = "01920000-0000-7000-8000-000000000001"
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


class _Layer:
    """What any middleware that must see the status costs: the part that ids, metrics and the log share."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        started, exchange = time.perf_counter(), _Seen(send)
        try:
            await self.app(scope, receive, exchange.send)
        finally:
            exchange.size += int(time.perf_counter() - started)


class _Seen:
    __slots__ = ("inner", "size", "status")

    def __init__(self, inner):
        self.inner, self.size, self.status = inner, 0, 0

    def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.size += len(message["body"])
        return self.inner(message)


async def _send(_message: object) -> None: ...
async def _receive() -> dict[str, str]:
    return {"type": "http.disconnect"}


def request_cost(app: Callable[..., object], requests: int, rounds: int) -> float:
    """Return microseconds of CPU per request, the least of several rounds, log writer included."""
    scope = {"type": "http", "method": "POST", "path": "/v1/jobs", "headers": HEADERS, "client": ("203.0.113.9", 51000)}

    async def round_() -> float:
        began = time.process_time()
        for _ in range(requests):
            await app({**scope, "state": {}}, _receive, _send)
        return (time.process_time() - began) / requests * 1e6

    return min(asyncio.run(round_()) for _ in range(rounds))


def call_cost(call: Callable[[], object], number: int, rounds: int) -> float:
    """Return microseconds of CPU per call."""
    return min(timeit.repeat(call, number=number, repeat=rounds, timer=time.process_time)) / number * 1e6


@contextmanager
def _null_log():
    with Path(os.devnull).open("w") as sink:
        handle = configure_logging(level="info", json=True, sink=sink)
        try:
            yield handle
        finally:
            handle.close()


def main(*, requests: int = 100_000, rounds: int = 5) -> None:
    """Print the table."""
    size = requests, rounds
    with _null_log():
        bare = request_cost(_app, *size)
        layered = request_cost(_Layer(_app), *size)
        correlated = request_cost(ObservabilityMiddleware(_app, metrics=_NoMetrics(), log_requests=False), *size)
        counted = request_cost(ObservabilityMiddleware(_app, metrics=build_metrics(), log_requests=False), *size)
        logged = request_cost(ObservabilityMiddleware(_app, metrics=build_metrics(), log_requests=True), *size)
        rows = [
            ("one ASGI layer", layered - bare),
            ("correlation", correlated - layered),
            ("metrics", counted - correlated),
            ("access log", logged - counted),
        ]
        rows.append(("together", logged - bare))
        print("| per request | µs | of 120 µs |\n|---|---|---|")
        for name, cost in rows:
            print(f"| {name} | {cost:.2f} | {cost / REQUEST_MICROSECONDS:.1%} |")
        log, job, safe = get_logger("bench"), uuid.uuid4(), "nothing to hide here, as usual"
        secret = "GET https://api.example/x?token=abcdef failed for jane@example.org"
        fields = {"job_id": job, "queue": "email", "type": "email.send", "attempt": 1, "duration_ms": 1.25}
        completed = declare_event("info", "bench", "job completed", tuple(fields))
        counter = build_metrics().jobs_total.labels("email", "email.send", "completed")
        print("\n| call | µs |\n|---|---|")
        calls: list[tuple[str, Callable[[], object]]] = [
            ("emit_event, 5 fields", lambda: emit_event("info", "bench", "job.completed", fields)),
            ("declare_event, 5 fields", lambda: completed(job, "email", "email.send", 1, 1.25)),
            ("loguru line, 1 field", lambda: log.info("job completed")),
            ("counter.inc", counter.inc),
            ("new_correlation_id", new_correlation_id),
            ("redact_text, harmless", lambda: redact_text(safe)),
            ("redact_text, secrets", lambda: redact_text(secret)),
            ("client_span, off", lambda: client_span("x").__enter__()),
        ]
        for name, call in calls:
            print(f"| {name} | {call_cost(call, requests // 2, rounds):.2f} |")


if __name__ == "__main__":
    main()
