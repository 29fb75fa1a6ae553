"""One ASGI layer for everything that belongs to every request: id, access log, metrics, server span."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

import msgspec

from singr_observability.logs._lines import AccessLine
from singr_observability.logs._logging import LEVELS, emit_access, get_logger, log, set_log_buffering
from singr_observability.metrics._metrics import Metrics
from singr_observability.metrics._series import CounterSeries, HistogramSeries
from singr_observability.redaction._masks import mask_address
from singr_observability.redaction._redaction import redact_path
from singr_observability.tracing._correlation import (
    accepted_correlation_id,
    correlation_fields,
    correlation_id,
    correlation_scope,
    incoming_traceparent,
    new_correlation_id,
    valid_traceparent,
)
from singr_observability.tracing._tracing import SpanGroup, tracers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RouteTemplate = Callable[[Scope], str | None]
_RequestSeries = tuple[CounterSeries, HistogramSeries, CounterSeries | None]

UNMATCHED: Final = "unmatched"
_MODULE: Final = "singr.http"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_CLOSED: Final = 499  # nginx's number for a caller that went away before the answer
_SERVER_ERROR: Final = 500
_INFO: Final = LEVELS["info"]
_MAX_SERIES: Final = 10_000
_INTERNAL_ERROR_TYPE: Final = "https://singrkaraoke.com/problems/internal-error"


class _Exchange:
    """What went back to the caller; its `send` stands in for the server's."""

    __slots__ = ("_request_id", "_send", "aborted", "finished", "size", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.size = 0
        self.finished = False
        self.aborted = False

    def send(self, message: Message) -> Awaitable[None]:
        # No coroutine of its own: each one between the app and the server is paid for by every message.
        kind = message["type"]
        if kind == "http.response.body":
            body = message.get("body")
            if body:
                self.size += len(body)
            if not message.get("more_body"):
                self.finished = True
        elif kind == "http.response.start":
            self.status = message["status"]
            # A copy: an app may send the same message to the next caller.
            headers = [*message.get("headers", ())]
            for header in headers:
                if header[0] == b"x-request-id":
                    break
            else:
                headers.append((b"x-request-id", self._request_id.encode()))
                message = dict(message)
                message["headers"] = headers
        elif kind == "http.response.pathsend":
            self.finished = True
        return self._send(message)


class ObservabilityMiddleware:
    """Gives each HTTP request its id, its line in the log, its place in the metrics and its server span.

    `x-request-id` is taken from the caller (1 to 128 of `A-Za-z0-9._-`) or made, put into `scope["state"]
    ["request_id"]` and every log line, and returned on every response. The access line has method, route, path
    (redacted), status, duration, bytes sent and the caller's network; never a query string, a header or a body. Routes
    are named by their template, from `route_template(scope)`, `scope["state"]["route_template"]` or Litestar's
    `scope["path_template"]`; a request without one counts as "unmatched". An organization in `scope["state"]
    ["organization_id"]` (or bound with `bind_correlation`) is logged too.

    An exception that reaches this layer before the response began is logged and answered with a 500 problem document
    (RFC 9457); later ones are logged and raised on, so that the server cuts the connection. A caller who
    left before the answer counts as status 499.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, log_requests: bool, route_template: RouteTemplate | None = None
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log_requests = log_requests
        self._route_template = route_template
        self._series: dict[tuple[str, str, int], _RequestSeries] = {}
        self._log = get_logger(_MODULE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        started = perf_counter()
        request_id, traceparent = _incoming(scope)
        id_token = correlation_id.set(request_id)
        outer_fields, outer_trace = correlation_fields.get(), incoming_traceparent.get()
        if traceparent is not outer_trace:
            incoming_traceparent.set(traceparent)
        exchange = _Exchange(send, request_id)
        span = SpanGroup("server", scope["method"], traceparent, {}) if tracers.active else None
        try:
            await self._app(scope, receive, exchange.send)
            if not exchange.finished:
                await self._unanswered(scope, receive, exchange)
        except Exception as error:  # noqa: BLE001 - this is the edge: logged, answered, or raised on
            await self._failed(scope, exchange, error, span)
        except BaseException:  # cancelled: the server gave the caller up, or is going down
            exchange.aborted = True
            raise
        finally:
            self._finish(scope, exchange, perf_counter() - started, request_id, span)
            correlation_id.reset(id_token)
            # Put back only what changed: a token for each would cost every request for the few that need it.
            if correlation_fields.get() is not outer_fields:
                correlation_fields.set(outer_fields)
            if traceparent is not outer_trace:
                incoming_traceparent.set(outer_trace)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            request_id, traceparent = _incoming(scope)
            token = incoming_traceparent.set(traceparent)
            try:
                with correlation_scope(request_id):
                    await self._app(scope, receive, send)
            finally:
                incoming_traceparent.reset(token)
        elif scope["type"] == "lifespan":
            set_log_buffering(on=True)
            try:
                await self._app(scope, receive, send)
            finally:
                # From here on a server may end the process by signal, past every exit handler.
                set_log_buffering(on=False)
        else:
            await self._app(scope, receive, send)

    async def _unanswered(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        """The app returned without a whole response: for want of a caller, or by mistake."""
        exchange.aborted = True
        if exchange.status or await _is_disconnected(receive):
            return
        self._log.error("the application returned without a response")
        exchange.aborted = False
        await _answer_internal_error(scope, exchange)

    async def _failed(self, scope: Scope, exchange: _Exchange, error: Exception, span: SpanGroup | None) -> None:
        if span is not None:
            span.fail(error)
        if isinstance(error, OSError) and exchange.status:
            # Sending to a caller who is gone: servers other than uvicorn say so by raising.
            exchange.aborted = True
            return
        self._log.opt(exception=error).error("unhandled exception")
        _mark_logged(error)
        if exchange.status:
            exchange.aborted = True
            raise error
        await _answer_internal_error(scope, exchange)

    def _finish(
        self, scope: Scope, exchange: _Exchange, seconds: float, request_id: str, span: SpanGroup | None
    ) -> None:
        status = exchange.status or _CLIENT_CLOSED
        method = scope["method"]
        if method not in _METHODS:
            method = "OTHER"  # the caller's choice of words must not make new series
        state = scope["state"]
        route = state.get("route_template") if self._route_template is None else self._named_route(scope)
        if route is None:
            route = scope.get("path_template") or UNMATCHED
        series = self._series.get((method, route, status)) or self._new_series(method, route, status)
        series[0].inc()
        series[1].observe(seconds)
        if series[2] is not None:
            series[2].inc()
        if self._log_requests:
            handle = log.active
            if handle is None or status >= _SERVER_ERROR or handle.level_number <= _INFO:
                line = _access_line(scope, exchange, (method, route, status, seconds), request_id)
                if handle is not None:
                    # Never at once, not even for an error: a burst of failures must not turn into a write each.
                    handle.writer.put(line)
                else:
                    emit_access(line)
        if span is not None:
            _end_span(span, scope, (method, route, status, request_id))

    def _named_route(self, scope: Scope) -> str | None:
        try:
            route = self._route_template(scope) if self._route_template is not None else None
        except Exception:  # noqa: BLE001 - a route that cannot be named is no reason to fail the request
            route = None
        return route or scope["state"].get("route_template")

    def _new_series(self, method: str, route: str, status: int) -> _RequestSeries:
        key = (method, route if len(self._series) < _MAX_SERIES else UNMATCHED, status)
        metrics = self._metrics
        series = (
            metrics.http_requests.labels(*key),
            metrics.http_latency.labels(*key[:2]),
            metrics.http_errors.labels(*key) if status >= _SERVER_ERROR else None,
        )
        if len(self._series) < _MAX_SERIES:
            self._series[method, route, status] = series
        return series


def _access_line(
    scope: Scope, exchange: _Exchange, outcome: tuple[str, str, int, float], request_id: str
) -> AccessLine:
    method, route, status, seconds = outcome
    client = scope.get("client")
    return AccessLine(
        datetime.now(UTC),
        "info" if status < _SERVER_ERROR else "error",
        _MODULE,
        "request",
        request_id,
        request_id,
        method,
        route,
        redact_path(scope["path"]),
        status,
        int(seconds * 1_000_000) / 1000,
        0 if method == "HEAD" else exchange.size,
        mask_address(client[0]) if client else None,
        scope["state"].get("organization_id") or correlation_fields.get().get("organization_id"),
        exchange.aborted,
    )


def _incoming(scope: Scope) -> tuple[str, str | None]:
    presented = traceparent = None
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            presented = value
        elif name == b"traceparent":
            traceparent = valid_traceparent(value.decode("latin-1"))
    request_id = None
    if presented is not None:
        request_id = accepted_correlation_id(presented.decode("latin-1"))
    if request_id is None:
        request_id = new_correlation_id()
    state = scope.get("state")
    if state is None:
        state = scope["state"] = {}
    state["request_id"] = request_id
    return request_id, traceparent


async def _is_disconnected(receive: Receive) -> bool:
    """Tell whether the caller is gone, without waiting for one who is not."""
    try:
        async with asyncio.timeout(0.05):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _answer_internal_error(scope: Scope, exchange: _Exchange) -> None:
    request_id = scope["state"]["request_id"]
    body = msgspec.json.encode(
        {
            "type": _INTERNAL_ERROR_TYPE,
            "title": "Internal Server Error",
            "status": _SERVER_ERROR,
            "detail": "Something went wrong on our side. Name the request id when you report it.",
            "instance": redact_path(scope["path"]),
            "request_id": request_id,
        }
    )
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    try:
        await exchange.send({"type": "http.response.start", "status": _SERVER_ERROR, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    except OSError:
        exchange.aborted = True  # the caller is gone


def _mark_logged(error: Exception) -> None:
    try:
        error.__singr_logged__ = True  # type: ignore[attr-defined] # read by the handler of standard logging
    except AttributeError:
        return  # an exception with slots: it may be logged twice


def _end_span(span: SpanGroup, scope: Scope, request: tuple[str, str, int, str]) -> None:
    method, route, status, request_id = request
    span.rename(f"{method} {route}")
    span.set(
        **{
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "url.path": redact_path(scope["path"]),
            "singr.request_id": request_id,
        }
    )
    if status >= _SERVER_ERROR:
        span.fail(None)
    span.end()
