"""The load generator: a process of its own, the same for every server measured.

Reads one JSON object from standard input, signs every request before the clock starts (each with a nonce and an
idempotency key of its own), keeps a fixed number of connections busy with one request each, and writes one JSON object
with the counts and every latency. Any answer but a 2xx is counted, and makes the measurement invalid.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """What to send: `count` requests over `connections`, after `warmup` more that are not measured.

    With `requests`, these as they are; else each is signed.
    """

    url: str
    key_id: str
    secret: str
    body: dict[str, Any]
    count: int
    connections: int = 64
    warmup: int = 0
    idempotency_key: str | None = None
    pause: float = 0.0
    requests: list[str] | None = None


class Outcome(msgspec.Struct):
    """Seconds from first byte sent to last answer, those of this process's CPU, latencies in milliseconds, answers."""

    seconds: float
    cpu: float
    latencies: list[float]
    statuses: dict[str, int]
    sample: str


def sign(plan: Plan, number: int, *, path: str, host: str) -> bytes:
    """One whole request, ready for the wire; the body differs from request to request as in real traffic."""
    body = plan.body if plan.idempotency_key else {**plan.body, "payload": numbered(plan.body["payload"], number)}
    data = msgspec.json.encode(body)
    timestamp, nonce = str(int(time.time())), os.urandom(12).hex()
    text = "\n".join(["POST", path, timestamp, nonce, hashlib.sha256(data).hexdigest()])
    signature = hmac.new(plan.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    key = plan.idempotency_key or os.urandom(16).hex()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
        f"x-singr-key: {plan.key_id}\r\nx-singr-timestamp: {timestamp}\r\nx-singr-nonce: {nonce}\r\n"
        f"x-singr-signature: v1={signature}\r\nidempotency-key: {key}\r\n\r\n"
    )
    return head.encode() + data


def numbered(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """The payload with its recipient changed, so that no request repeats another."""
    return {**payload, "to": f"+1555{number % 10_000_000:07d}"}


class Caller(asyncio.Protocol):
    """One connection: sends a request, waits for its answer, sends the next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.transport: asyncio.Transport
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with the first request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        """Send the next request, or hang up when there is none left."""
        if not self.run.requests:
            self.transport.close()
            return
        request = self.run.requests.popleft()
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in an answer; when it is whole, count it and go on."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        status, answer = head[9:12].decode(), self.buffer
        self.buffer = b""
        self.run.answered(time.perf_counter() - self.sent, status, answer)
        if self.run.pause:
            asyncio.get_running_loop().call_later(self.run.pause, self.send_next)
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so: a connection lost in the middle spoils the measurement."""
        self.run.lost(exc)


class Run:
    """The requests of one measurement, and what came back."""

    def __init__(self, requests: list[bytes], pause: float) -> None:
        self.requests = deque(requests)
        self.pause = pause
        self.open = 0
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.sample = ""
        self.finished = asyncio.Event()

    def answered(self, seconds: float, status: str, answer: bytes) -> None:
        """Count one answer, and keep one to show: the first, or the first that is no 2xx."""
        self.latencies.append(seconds * 1000)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if not self.sample or (not status.startswith("2") and self.sample.startswith("HTTP/1.1 2")):
            self.sample = answer[:2000].decode("utf-8", "replace")

    def lost(self, exc: Exception | None) -> None:
        """Count a closed connection; the last one ends the run."""
        self.open -= 1
        if exc is not None:
            self.statuses["connection lost"] = self.statuses.get("connection lost", 0) + 1
        if not self.open:
            self.finished.set()


async def measure(url: str, requests: list[bytes], *, connections: int, pause: float = 0.0) -> Outcome:
    """Send all of `requests` and wait for the last answer."""
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    run = Run(requests, pause)
    started, worked = time.perf_counter(), time.process_time()
    for _ in range(min(connections, len(requests))):
        run.open += 1
        await loop.create_connection(lambda: Caller(run), address.hostname or "", address.port or 80)
    await run.finished.wait()
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    return Outcome(seconds, cpu, run.latencies, run.statuses, run.sample)


async def main() -> None:
    """Sign, warm up, measure, report."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    address = urlsplit(plan.url)
    total = plan.warmup + plan.count
    given = [one.encode() for one in plan.requests or ()]
    signed = given or [sign(plan, number, path=address.path, host=address.netloc) for number in range(total)]
    if plan.warmup:
        await measure(plan.url, signed[: plan.warmup], connections=plan.connections, pause=plan.pause)
    outcome = await measure(plan.url, signed[plan.warmup :], connections=plan.connections, pause=plan.pause)
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    asyncio.run(main())
