"""The outermost layer that knows HTTP: security headers, CORS, HEAD, and errors that nobody else answered."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from singr_api.http import problems
from singr_api.http.body import ClientGoneError
from singr_api.http.cacheable import is_public, public_answer
from singr_api.http.problems import AGAIN, Problem, header_refused, insufficient_scope, internal_error, logged, render
from singr_api.http.translations import problem_of
from singr_auth import ScopeError
from singr_config.text import as_linked
from singr_observability import get_logger, redact_path

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Pages = Callable[[Scope, int, str], tuple[Mapping[str, str], bytes] | None]

_SECURITY: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_CSP: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE: Final = (b"cache-control", b"no-store")
_EXPOSED: Final = (
    b"etag, link, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id,"
    b" idempotency-replayed"
)
# W3C trace context and baggage, and those of Sentry, Zipkin (B3) and Datadog: a browser's error reporter or tracer adds
# them to every request it sees.
_REQUEST_HEADERS: Final = (
    b"accept, authorization, b3, baggage, content-type, idempotency-key, last-event-id, sentry-trace, traceparent,"
    b" tracestate, x-api-key, x-b3-flags, x-b3-parentspanid, x-b3-sampled, x-b3-spanid, x-b3-traceid, x-csrf-token,"
    b" x-datadog-origin, x-datadog-parent-id, x-datadog-sampling-priority, x-datadog-tags, x-datadog-trace-id,"
    b" x-request-id, x-singr-device, x-singr-key, x-singr-nonce, x-singr-organization, x-singr-signature,"
    b" x-singr-timestamp"
)
_LIMIT_HEADERS: Final = frozenset({b"ratelimit", b"ratelimit-policy"})
_HEAD: Final = "HEAD"
_METHOD: Final = "singr_method"  # in the request's state, where it is not the scope's
_OK: Final = 200
_TOO_MANY: Final = 429
# What organizations' own ids may have and clients encode, as `encodeURIComponent` does; no address is divided by it.
_IN_IDS: Final = re.compile(rb"%(?:3A|40|2B|7E|3D|7C|2D|5F)", re.IGNORECASE)
_POLICY_VIOLATION: Final = 1008  # RFC 6455, 7.4.1
_ALLOWED: Final = "singr_allowed"  # in the request's state
_PAGES: Final = "singr_fault_page"  # likewise
READER_PAGES: Final = ("/preferences/", "/v1/unsubscribe/")
"""Where links in mails lead whose last part is a token."""
KEYED: Final = "singr_keyed"
"""In the request's state: whether its route takes an Idempotency-Key."""
CHARSET: Final = "; charset=utf-8"
"""Of a page, which the framework adds by itself."""
_log = get_logger("singr_api")


def response_headers(scope: Scope) -> Headers:
    """Return the list of headers that the answer to this request will carry, whatever it turns out to be."""
    headers: Headers = scope["state"].setdefault("singr_response_headers", [])
    return headers


def asked_for_head(state: Mapping[str, Any]) -> bool:
    """Tell whether the request of this state, which is handled as GET, asks for the head alone (RFC 9110, 9.3.2)."""
    return state.get(_METHOD) == _HEAD


class Edge:
    """Wraps the API.

    Args:
        app: what answers.
        origins: web origins whose pages may call (CORS), with the session's cookies too.
        allowed: tells what the Allow header of a path says; empty where nothing is.
        secure: say that this host is to be reached by TLS only (HSTS).
        pages: makes the page that a reader of a mail is shown in place of a problem, of the request, the status and the
            code of what is wrong; None where they wanted no page.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Sequence[str],
        allowed: Callable[[str], str],
        secure: bool,
        pages: Pages | None = None,
    ) -> None:
        self._app = app
        self._pages = pages
        self._allowed = allowed
        self._origins = frozenset(origin.encode() for origin in origins)
        self._always = [*_SECURITY, _HSTS] if secure else _SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await refuse_websocket(receive, send)
            else:
                await self._app(scope, receive, _plainly(send))
            return
        scope.setdefault("state", {}).update({_ALLOWED: self._allowed, _PAGES: self._pages})
        origin = _header(scope, b"origin") if self._origins else None
        answer = _Answer(scope, send, [*self._always, *self._cors(origin)])
        scope = _as_linked(scope)
        misfit = _misfit(scope)
        if misfit is not None:
            await answer.failed(misfit)
            return
        if scope["method"] == "OPTIONS" and self._allowed(scope["path"]):
            await answer.options(preflight=origin in self._origins)
            return
        inner = scope
        if scope["method"] == _HEAD:
            inner = {**scope, "method": "GET"}  # answered as GET, without the body (RFC 9110, 9.3.2)
            scope["state"][_METHOD] = _HEAD
        try:
            await self._app(inner, receive, answer.send)
        except ClientGoneError:
            return
        except Exception as error:
            if answer.started:
                raise
            await answer.failed(error)

    def _cors(self, origin: bytes | None) -> Headers:
        if not self._origins:
            return []
        if origin not in self._origins or origin is None:
            return [(b"vary", b"origin")]
        return [
            (b"vary", b"origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _EXPOSED),
        ]


class _Answer:
    """One response on its way out."""

    __slots__ = ("_extra", "_head", "_public", "_scope", "_send", "started")

    def __init__(self, scope: Scope, send: Send, extra: Headers) -> None:
        self._scope = scope
        self._send = send
        self._extra = extra
        self._head = scope["method"] == _HEAD
        self._public: Message | None = None  # the beginning of an answer that waits for its whole body
        self.started = False

    def send(self, message: Message) -> Awaitable[None]:
        # returns the inner awaitable: a coroutine of its own would cost every message
        if message["type"] == "http.response.start":
            self.started = True
            if message["status"] == _OK and is_public(message.get("headers") or ()):
                self._public = message
                return _nothing()
            return self._start(message)
        if self._public is not None:
            return self._send_public(message)
        if self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        return self._send(message)

    def _start(self, message: Message) -> Awaitable[None]:
        given = message.get("headers") or []
        own = response_headers(self._scope)
        if "singr_plain" in self._scope["state"]:
            message["headers"] = [*given, _CSP, _NO_STORE, *own, *self._extra]
            return self._send(message)
        names = {name for name, _ in given}
        if b"vary" in names:  # without ours a cache would give one origin what another was told
            given = _with_one_vary(given, self._extra)
        if message["status"] == _TOO_MANY:  # the limit that refused is told of, and no other
            names = names | _LIMIT_HEADERS
        more = [header for header in (_CSP, _NO_STORE, *own) if header[0] not in names]
        always = [header for header in self._extra if header[0] not in names]  # twice would be none, for some
        message = {**message, "headers": [*given, *more, *always]}
        return self._send(message)

    async def _send_public(self, message: Message) -> None:
        begun, self._public = self._public or {}, None
        if message.get("more_body"):  # a stream: it goes as it comes
            headers = [*begun["headers"], (b"vary", b"accept-encoding")]
            status, body = _OK, message.get("body", b"")
        else:
            status, headers, body = public_answer(self._scope["headers"], begun["headers"], message.get("body", b""))
        await self._start({**begun, "status": status, "headers": headers})
        await self.send({**message, "body": body})

    async def options(self, *, preflight: bool) -> None:
        methods = self._scope["state"][_ALLOWED](self._scope["path"]).encode()
        headers: Headers = [(b"allow", methods)]
        if preflight:
            headers += [
                (b"access-control-allow-methods", methods),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", b"600"),
            ]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def failed(self, error: Exception) -> None:
        status, headers, body = answer_of(error, self._scope)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _with_one_vary(given: Headers, extra: Headers) -> Headers:
    """The headers of an answer with one Vary, of all that it or what is added to it varies by."""
    values = [value for name, value in (*given, *extra) if name == b"vary"]
    return [*(header for header in given if header[0] != b"vary"), (b"vary", b", ".join(values))]


def _as_linked(scope: Scope) -> Scope:
    """Take off the address of a link in a mail what a mail program took into it from around it."""
    if not scope["path"].startswith(READER_PAGES):
        return scope
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    bare = as_linked(path)
    return scope if bare == path else {**scope, "path": unquote(bare), "raw_path": bare.encode("latin-1")}


def _misfit(scope: Scope) -> Problem | None:
    """Return why no route is asked at all: another spelling of an address, or a handshake for another protocol."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    if b"%" in path and b"%" in _IN_IDS.sub(b"", path):
        # One address a resource: what guards an address must not be walked around by spelling it otherwise.
        detail = "Addresses here contain no percent-encoded characters, except for : @ + ~ = | - and _ in ids."
        return Problem(problems.NOT_FOUND, detail)
    if b"//" in path or (path.endswith(b"/") and path != b"/"):
        detail = "Addresses here contain no double slashes and no trailing slash."
        return Problem(problems.NOT_FOUND, detail)
    if scope["method"] == "GET" and (_header(scope, b"upgrade") or b"").lower() == b"websocket":
        message = "must be left out: WebSocket is not supported"
        return header_refused(problems.MALFORMED_REQUEST, "upgrade", message, "unsupported")
    return None


def _plainly(send: Send) -> Send:
    """Return a `send` for the lifespan that tells of a stop cut short by a second signal in words, not in a stack."""

    async def plain(message: Message) -> None:
        if message["type"].endswith(".failed") and "CancelledError" in message.get("message", ""):
            message = {**message, "message": "The stop was cut short by another signal."}
        await send(message)

    return plain


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Refuse a handshake before it is accepted: the policy table has no WebSocket."""
    await receive()
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "no WebSocket is served here"})


async def _nothing() -> None:
    """Nothing is sent yet."""


def answer_of(error: Exception, scope: Scope) -> tuple[int, Headers, bytes]:
    """Return status, headers and body that an error is answered with; a fault of ours is logged."""
    problem = problem_of(error)
    if problem is None:
        _log.opt(exception=error).error("unhandled exception")
        problem = internal_error()
    elif problem.status == 405:  # noqa: PLR2004 — Method Not Allowed
        problem.headers["allow"] = scope["state"][_ALLOWED](scope["path"])
    elif isinstance(error, ScopeError) and (_header(scope, b"authorization") or b"").lower().startswith(b"bearer "):
        problem.headers["www-authenticate"] = insufficient_scope(error.scope)
    elif problem.status == 503:  # noqa: PLR2004 — Service Unavailable
        _log.warning("a store is away: {}", logged(error))
        if scope["state"].get(KEYED) and problem.detail.endswith(AGAIN):
            problem.detail = f"{problem.detail.removesuffix('.')} with the same Idempotency-Key."
    request_id = str(scope["state"].get("request_id", ""))
    status, headers, body = render(problem, instance=redact_path(scope["path"]), request_id=request_id)
    shown = scope["state"].get(_PAGES)
    page = shown and shown(scope, status, problem.errors[0].code if problem.errors else "")
    return (status, headers, body) if page is None else (status, *_as_page(problem, *page))


def _as_page(problem: Problem, told: Mapping[str, str], page: bytes) -> tuple[Headers, bytes]:
    """Headers and body of a problem that people see."""
    whole = {"content-type": f"text/html{CHARSET}", "content-length": str(len(page)), **told, **problem.headers}
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in whole.items()], page


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None
