"""What every request passes, through either door: the route's policy, read from the table, applied in one place."""

from collections.abc import Callable, Mapping
from typing import Any

from singr_api._auth import SINGLE_HEADERS, Authenticator, Caller
from singr_api._body import check_body, check_media_type, read_body, single_headers
from singr_api._call import Call, keep_call
from singr_api._edge import ASGIApp, Message, Receive, Scope, Send, response_headers
from singr_api._idempotency import HEADER, idempotency_key
from singr_api._limits import Limits
from singr_api._negotiation import check_accepts_json
from singr_api._policy import Access, Limit, Policy, policy_of
from singr_api._problems import UNAUTHENTICATED, Problem
from singr_db import Database
from singr_jobs import NonceReplayedError
from singr_observability import redact_path

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY = HEADER.encode()

# As ingestion does: a nonce is remembered for as long as its timestamp could pass, 300 s to either side, and a minute.
_USE_NONCE = """
    INSERT INTO request_nonces (key_id, nonce, expires_at) VALUES (%s, %s, now() + interval '11 minutes')
    ON CONFLICT (key_id, nonce) DO NOTHING RETURNING key_id
"""

AddressReader = Callable[[Any, Mapping[bytes, bytes]], str]


class Guards:
    """Applies policies.

    Args:
        authenticator: tells who is calling.
        limits: count requests.
        address: tells where a request comes from.
        db: where nonces are used up.
    """

    def __init__(self, *, authenticator: Authenticator, limits: Limits, address: AddressReader, db: Database) -> None:
        self._authenticator = authenticator
        self._limits = limits
        self._address = address
        self._db = db

    async def call(self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]) -> Call:
        """Return the call that a request to a route for services makes, once its policy is fulfilled.

        In this order: size of the body, who is calling, scope, rate limit, idempotency key, media type and safety of
        the body, nonce. The nonce and the key of an ingestion route are left to its transaction.

        Raises:
            Problem: the request is refused.
            NonceReplayedError: the signed request was sent before.
        """
        body = await read_body(receive, headers)
        method: str = scope["state"].get("singr_method", scope["method"])
        target = target_of(scope)
        caller = await self._authenticate(scope, method, target, headers, body)
        if policy.scope is not None:
            caller.principal.require(policy.scope)
        response_headers(scope).extend(await self._limits.credential(caller.principal))
        key = idempotency_key(headers.get(_KEY)) if policy.idempotent else None
        if policy.takes_body:
            check_media_type(headers)
            check_body(body)
        if method not in _SAFE and not policy.ingestion:
            await self._use_nonce(caller)
        return Call(
            caller=caller,
            method=method,
            target=target,
            path=redact_path(scope["path"]),
            body=body,
            request_id=scope["state"].get("request_id", ""),
            idempotency_key=key,
        )

    async def anonymous(self, scope: Scope, policy: Policy, headers: Mapping[bytes, bytes]) -> None:
        """Return once the policy of a route for anybody is fulfilled.

        Raises:
            Problem: the request is refused.
        """
        if policy.limit is Limit.ADDRESS:
            address = self._address(scope.get("client"), headers)
            response_headers(scope).extend(await self._limits.address(address))

    async def _authenticate(
        self, scope: Scope, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes
    ) -> Caller:
        try:
            caller = await self._authenticator.authenticate(method=method, target=target, headers=headers, body=body)
        except Problem as problem:
            if problem.status == UNAUTHENTICATED.status:
                address = self._address(scope.get("client"), headers)
                response_headers(scope).extend(await self._limits.failed_sign_in(address))
            raise
        if caller.principal.organization_id is not None:
            scope["state"]["organization_id"] = str(caller.principal.organization_id)
        return caller

    async def _use_nonce(self, caller: Caller) -> None:
        if caller.nonce is None:
            return
        async with self._db.hot.connection() as connection:
            cursor = await connection.execute(_USE_NONCE, (caller.principal.key_id, caller.nonce))
            if await cursor.fetchone() is None:
                raise NonceReplayedError


class Gate:
    """Puts the gate before every route of the framework."""

    def __init__(self, app: ASGIApp, *, guards: Guards) -> None:
        self._app = app
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http" or scope["method"] == "OPTIONS":
            await self._app(scope, receive, send)
            return
        route = scope["path_template"]
        scope["state"]["route_template"] = route
        policy = policy_of(scope["method"], route)
        headers = single_headers(scope["headers"], SINGLE_HEADERS)
        if policy.json:
            check_accepts_json(headers.get(b"accept", b""))
        if policy.access is Access.ANONYMOUS:
            await self._guards.anonymous(scope, policy, headers)
            await self._app(scope, receive, send)
            return
        keep_call(scope, await self._guards.call(scope, receive, policy, headers))
        await self._app(scope, _nothing_more, send)


def target_of(scope: Scope) -> str:
    """Return path with query as on the request line."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
