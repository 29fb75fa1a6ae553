"""Stand-ins for a trace collector and for Sentry: real HTTP servers on loopback that keep what they receive.

For tests of anything that is configured with `OTEL_EXPORTER_OTLP_ENDPOINT` or `SENTRY_DSN`, in this process or another:

    with CollectorStub() as collector:
        start_the_service(otlp_endpoint=collector.endpoint)
        span = collector.wait_for(lambda span: span.name == "POST /v1/jobs")
"""

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_DEADLINE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_Kept = TypeVar("_Kept")


class CollectedSpan(msgspec.Struct, frozen=True):
    """One span as the collector received it; ids in lower-case hexadecimal, an empty parent for a root."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_span_id: str
    service: str
    attributes: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    failed: bool


class _Server:
    """A threaded HTTP server on a free loopback port that hands each body to `receive`."""

    def __init__(self) -> None:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                stub._take(self.path, _decoded(body, self.headers.get("content-encoding", "")))
                answer = stub._answer
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._lock = threading.Lock()
        self._bodies: list[bytes] = []
        self._answer = b"{}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def received(self) -> bytes:
        """Everything received so far, decompressed: to look for what must not be there."""
        with self._lock:
            return b"\n".join(self._bodies)

    def _take(self, path: str, body: bytes) -> None:
        with self._lock:
            self._bodies.append(body)
        self._keep(path, body)

    def _keep(self, path: str, body: bytes) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    return body


def _wait(look: Callable[[], _Kept | None], seconds: float, what: str) -> _Kept:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{what} did not arrive within {seconds} s")


class CollectorStub(_Server):
    """An OTLP/HTTP collector. Needs opentelemetry-proto, which the extra `[otel]` brings."""

    def __init__(self) -> None:
        super().__init__()
        self._spans: list[CollectedSpan] = []
        self._answer = b""

    @property
    def endpoint(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[CollectedSpan]:
        """The spans received so far."""
        with self._lock:
            return list(self._spans)

    def wait_for(
        self, matches: Callable[[CollectedSpan], bool], *, seconds: float = _DEADLINE_SECONDS
    ) -> CollectedSpan:
        """Return the first span that matches, as soon as it is there; raises TimeoutError when it does not come."""
        return _wait(lambda: next(filter(matches, self.spans), None), seconds, "the span")

    def _keep(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - an extra
            ExportTraceServiceRequest,
        )

        if not path.endswith("/v1/traces"):
            return
        request = ExportTraceServiceRequest.FromString(body)
        spans = [
            _collected(span, _plain(resource.resource.attributes).get("service.name", ""))
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans.extend(spans)


def _collected(span: Any, service: str) -> CollectedSpan:
    return CollectedSpan(
        name=span.name,
        kind=_KINDS[span.kind],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        service=service,
        attributes=_plain(span.attributes),
        events=[{"name": event.name, **_plain(event.attributes)} for event in span.events],
        failed=span.status.code == 2,  # noqa: PLR2004 - STATUS_CODE_ERROR
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in attributes}


class SentryStub(_Server):
    """Sentry's ingestion endpoint: takes envelopes and keeps their items."""

    def __init__(self) -> None:
        super().__init__()
        self._items: list[tuple[str, dict[str, Any]]] = []

    @property
    def dsn(self) -> str:
        """What `SENTRY_DSN` has to be."""
        return f"http://publickey@127.0.0.1:{self.port}/1"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The error reports received so far."""
        return self._of("event")

    @property
    def transactions(self) -> list[dict[str, Any]]:
        """The performance traces received so far."""
        return self._of("transaction")

    def wait_for_event(
        self, matches: Callable[[dict[str, Any]], bool] = lambda _: True, *, seconds: float = _DEADLINE_SECONDS
    ) -> dict[str, Any]:
        """Return the first error report that matches; raises TimeoutError when it does not come."""
        return _wait(lambda: next(filter(matches, self.events), None), seconds, "the error report")

    def wait_for_transaction(
        self, matches: Callable[[dict[str, Any]], bool] = lambda _: True, *, seconds: float = _DEADLINE_SECONDS
    ) -> dict[str, Any]:
        """Return the first performance trace that matches; raises TimeoutError when it does not come."""
        return _wait(lambda: next(filter(matches, self.transactions), None), seconds, "the performance trace")

    def _of(self, kind: str) -> list[dict[str, Any]]:
        with self._lock:
            return [item for item_kind, item in self._items if item_kind == kind]

    def _keep(self, path: str, body: bytes) -> None:
        if path.endswith("/envelope/"):
            items = list(_envelope_items(body))
            with self._lock:
                self._items.extend(items)


def _envelope_items(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Read an envelope: a header line, then for each item a header line (with its length) and the payload."""
    items: list[tuple[str, dict[str, Any]]] = []
    position = body.index(b"\n") + 1
    while position < len(body):
        end = body.index(b"\n", position)
        header = json.loads(body[position:end])
        start = end + 1
        following = body.find(b"\n", start)
        stop = start + header["length"] if "length" in header else (following if following >= 0 else len(body))
        if header["type"] in {"event", "transaction"}:
            items.append((header["type"], json.loads(body[start:stop])))
        position = stop + 1
    return items
