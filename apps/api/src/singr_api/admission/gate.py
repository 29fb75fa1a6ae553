"""What every request passes, through either door: the route's policy, read from the table, applied in one place."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from singr_api.admission.auth import SINGLE_HEADERS, Authenticator, Caller, acting_service
from singr_api.admission.browser import Browsers
from singr_api.admission.call import (
    CALL,
    AnonymousCall,
    Call,
    NoQuery,
    OptionalCall,
    ProviderCall,
    Received,
    UserCall,
    path_id,
    read_query,
)
from singr_api.admission.idempotency import HEADER, idempotency_key
from singr_api.admission.limits import Limits
from singr_api.admission.people import SAFE, People, Person
from singr_api.admission.policy import Access, Limit, Policy, PolicyTable
from singr_api.http import problems
from singr_api.http.address import SCHEME
from singr_api.http.body import check_body, check_media_type, read_body, single_headers, unpacked
from singr_api.http.edge import KEYED, ASGIApp, Message, Receive, Scope, Send, refuse_websocket, response_headers
from singr_api.http.negotiation import check_accepts_json
from singr_api.http.problems import Problem
from singr_auth.accounts import Accounts, ReauthenticationRequiredError
from singr_comms.inbound import Callback, Doors, ForgedError
from singr_db import Database
from singr_jobs import use_nonce
from singr_observability import Metrics, redact_path

MAX_ACCOUNT_BODY_BYTES: Final = 64 * 1024
"""Sign-in and accounts: what anybody may send takes no more room than it needs."""

GUARDS: Final = "singr_guards"
"""Where a request carries those of its installation."""

Proved = TypeVar("Proved")
_KEY = HEADER.encode()


class Guards:
    """Applies policies: each way in raises `Problem` where the request is refused.

    Args:
        authenticator: tells who is calling.
        people: tells what a person may do.
        browsers: tells where a request comes from, and whether a browser was told to send it.
        limits: count requests.
        accounts: tell what a person's session has proved.
        doors: prove callbacks of providers.
        metrics: count those that are refused.
        db: where nonces are used up.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        people: People,
        browsers: Browsers,
        limits: Limits,
        accounts: Accounts,
        doors: Doors,
        metrics: Metrics,
        db: Database,
    ) -> None:
        self._authenticator = authenticator
        self._people = people
        self._presence = accounts.reauthentication
        self._browsers = browsers
        self._limits = limits
        self._doors = doors
        self._callbacks = metrics.webhooks_total
        self._db = db

    def headers(self, scope: Scope) -> dict[bytes, bytes]:
        """Return a request's headers by name, and by which scheme it came, where a page's origin is compared with it.

        Raises:
            Problem: one that decides what the request means comes twice (400).
        """
        headers = single_headers(scope["headers"], SINGLE_HEADERS)
        if b"origin" in headers:
            headers[SCHEME] = self._browsers.scheme(scope, headers)
        return headers

    async def call(self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]) -> Call:
        """Return the call of a service, or of a person who acts for an organization, once the policy is fulfilled.

        In this order: size of the body, who is calling, for whom, scope, rate limit, what a person's session has
        proved, idempotency key, media type and safety of the body, nonce. The nonce and the key of an ingestion route
        are left to its transaction.

        Raises:
            Problem: the request is refused.
            ReauthenticationRequiredError: a person's session proved less than this takes.
            NonceReplayedError: the signed request was sent before.
        """
        body = await read_body(receive, headers)
        received = _received(scope, body)
        proof = await self._authenticate(self._authenticator.authenticate, scope, headers, received)
        in_path = path_id(scope["path_params"], "organization_id") if policy.in_organization else None
        if isinstance(proof, Person):
            principal = await self._people.acting(proof, headers, in_path)
            caller = Caller(principal, person=proof)
        else:
            caller = proof
            if in_path is not None:
                caller.principal.require_organization(in_path)
            caller = acting_service(caller, headers, in_path)
        if caller.principal.organization_id is not None:
            scope["state"]["organization_id"] = str(caller.principal.organization_id)
        if policy.scope is not None:
            caller.principal.require(policy.scope)
        response_headers(scope).extend(await self._limits.caller(caller.principal, asking=policy.asks))
        whole = await self._whole(caller.person, policy, platform=caller.principal.organization_id is None)
        key = _key(headers, policy, whole=whole)
        _check(policy, headers, body)
        if policy.method not in SAFE and not policy.ingestion:
            await self._use_nonce(caller)
        if policy.platform and (caller.principal.organization_id or caller.acts_for) is not None:
            raise Problem(problems.ORGANIZATION_FORBIDDEN, policy.platform)
        return Call(caller=caller, idempotency_key=key, **received)

    async def user_call(
        self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]
    ) -> UserCall:
        """Return the call that a person makes about themselves, once the policy is fulfilled."""
        body = await read_body(receive, headers, MAX_ACCOUNT_BODY_BYTES)
        received = _received(scope, body)
        person = await self._authenticate(self._authenticator.authenticate, scope, headers, received)
        if not isinstance(person, Person):
            raise Problem(
                problems.PERSON_REQUIRED, "This is about a person's own account: sign in, and send an access token."
            )
        response_headers(scope).extend(await self._limits.count("credential", person.key_id))
        key = idempotency_key(headers.get(_KEY)) if policy.idempotent else None
        _check(policy, headers, body)
        client = self._browsers.client(scope, headers)
        return UserCall(person=person, client=client, idempotency_key=key, **received)

    async def anonymous(self, scope: Scope, policy: Policy, headers: Mapping[bytes, bytes]) -> None:
        """Return once the policy of a route for anybody is fulfilled."""
        if policy.limit is Limit.ADDRESS:
            address = self._browsers.address(scope, headers)
            response_headers(scope).extend(await self._limits.count("address", address))

    async def anonymous_call(
        self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]
    ) -> AnonymousCall:
        """Return the call of somebody who is to prove who they are, once the policy is fulfilled."""
        body = await read_body(receive, headers, MAX_ACCOUNT_BODY_BYTES)
        await self.anonymous(scope, policy, headers)
        # no cookie has to be there yet: another site must not sign somebody in as somebody else, either
        if not policy.any_origin:
            self._browsers.csrf.check_origin(headers)
        _check(policy, headers, body)
        return AnonymousCall(client=self._browsers.client(scope, headers), **_received(scope, body))

    async def optional_call(
        self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]
    ) -> OptionalCall:
        """Return the call of a stranger, or of whoever its credentials name, once the policy is fulfilled.

        Raises:
            Problem: the request is refused: credentials that prove nothing are, too.
            NonceReplayedError: the signed request was sent before.
        """
        body = await read_body(receive, headers, MAX_ACCOUNT_BODY_BYTES)
        received = _received(scope, body)
        found = await self._authenticate(self._authenticator.known, scope, headers, received)
        if found is None:
            await self.anonymous(scope, policy, headers)
            if policy.method not in SAFE:
                self._browsers.csrf.check_origin(headers)
        elif isinstance(found, Person):
            response_headers(scope).extend(await self._limits.count("credential", found.key_id))
        else:
            response_headers(scope).extend(await self._limits.caller(found.principal))
        _check(policy, headers, body)
        if isinstance(found, Caller) and policy.method not in SAFE:
            await self._use_nonce(found)
        known = found.principal if isinstance(found, Caller) else found
        return OptionalCall(known=known, client=self._browsers.client(scope, headers), **received)

    async def provider_call(
        self, scope: Scope, receive: Receive, policy: Policy, headers: Mapping[bytes, bytes]
    ) -> ProviderCall:
        """Return the callback of a provider, once it is proved. Its body is taken as it is: its bytes are proved.

        Providers sign what they say, before anything on the way packs it; so it is unpacked first.

        Raises:
            UnknownProviderError: no provider calls back at this address.
            ForgedError: the provider did not send this.
        """
        body = await read_body(receive, headers)
        await self.anonymous(scope, policy, headers)
        body = unpacked(body, headers)
        named = scope["path_params"]
        callback = Callback(
            body=body,
            part=named.get("part", ""),
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()},
        )
        try:
            proved = self._doors.prove(named["webhook"], callback)
        except ForgedError:
            self._callbacks.labels(named["webhook"], "refused").inc()
            raise
        return ProviderCall(proved=proved, **_received(scope, body))

    async def _authenticate(
        self,
        authenticate: Callable[..., Awaitable[Proved]],
        scope: Scope,
        headers: Mapping[bytes, bytes],
        received: dict[str, Any],
    ) -> Proved:
        sent = {name: received[name] for name in ("method", "target", "body")}
        try:
            return await authenticate(headers=headers, **sent)
        except Problem as problem:
            # an access token that ran out is no guess: its owner is about to send the next one
            if problem.status == problems.UNAUTHENTICATED.status and problem.kind is not problems.TOKEN_EXPIRED:
                address = self._browsers.address(scope, headers)
                response_headers(scope).extend(await self._limits.count("failed-sign-in", address))
            raise

    async def _whole(self, person: Person | None, policy: Policy, *, platform: bool) -> bool:
        """Return whether a person's session proved what their account asks for today; True where nobody asks."""
        asked = person is not None and policy.asks_whole(platform=platform)
        if person is None or not (asked or policy.hands_on):
            return True
        whole = await self._presence.is_whole(person.session_id)
        if asked and not whole:
            raise ReauthenticationRequiredError(second_factor=True)
        return whole

    async def _use_nonce(self, caller: Caller) -> None:
        if caller.nonce is None:
            return
        async with self._db.psycopg.connection() as connection:
            await use_nonce(connection, caller.principal.key_id, caller.nonce)


class Gate:
    """Puts the gate before every route of the framework.

    Args:
        app: the route.
        table: the policies of all routes.
    """

    def __init__(self, app: ASGIApp, *, table: PolicyTable) -> None:
        self._app = app
        self._policy_of = table.of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http":
            await refuse_websocket(receive, send)
            return
        if scope["method"] == "OPTIONS":  # those of routes are answered before
            raise Problem(problems.METHOD_NOT_ALLOWED, "The Allow header lists the methods that this address accepts.")
        route = scope["path_template"]
        scope["state"]["route_template"] = route
        policy = self._policy_of(scope["method"], route)
        scope["state"][KEYED] = policy.idempotent
        guards: Guards = scope["state"][GUARDS]
        headers = guards.headers(scope)
        if policy.json:
            check_accepts_json(headers.get(b"accept", b""), policy.path)
        if policy.access is Access.ANONYMOUS and policy.method in SAFE:
            await guards.anonymous(scope, policy, headers)
        else:
            admit = _ADMIT[policy.access]
            scope["state"][CALL] = await admit(guards, scope, receive, policy, headers)
            receive = _nothing_more(receive)
        if scope["query_string"] and not (policy.query or policy.any_query):
            read_query(scope["query_string"], NoQuery)
        await self._app(scope, receive, send)


def _key(headers: Mapping[bytes, bytes], policy: Policy, *, whole: bool) -> str | None:
    key = idempotency_key(headers.get(_KEY)) if policy.idempotent else None
    # no key that was sent has a space in it
    return key if key is None or whole else f"{key} of one factor"


_ADMIT: Final[dict[Access, Callable[..., Awaitable[Received]]]] = {
    Access.ANONYMOUS: Guards.anonymous_call,
    Access.USER: Guards.user_call,
    Access.CALLER: Guards.call,
    Access.OPTIONAL: Guards.optional_call,
    Access.PROVIDER: Guards.provider_call,
}


def _received(scope: Scope, body: bytes) -> dict[str, Any]:
    """Return the fields of `Received`."""
    state = scope["state"]
    return {
        "method": state.get("singr_method", scope["method"]),  # HEAD is served as GET, but signed as itself
        "target": target_of(scope),
        "path": redact_path(scope["path"]),
        "body": body,
        "request_id": state.get("request_id", ""),
    }


def _check(policy: Policy, headers: Mapping[bytes, bytes], body: bytes) -> None:
    if policy.takes_body and (body or not policy.optional_body):
        check_media_type(headers)
        check_body(body)


def target_of(scope: Scope) -> str:
    """Return path with query exactly as on the request line: an empty query, too, is part of it."""
    sent: bytes | None = scope["state"].get("singr_target")
    if sent is not None:
        if not sent.startswith(b"/"):  # the absolute form, as for a proxy (RFC 9112, 3.2.2)
            sent = b"/" + sent.partition(b"://")[2].partition(b"/")[2]
        return sent.decode("latin-1")
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _nothing_more(receive: Receive) -> Receive:
    """Return a `receive` after the whole body: it says so once, and then waits for the caller to leave."""
    said = False

    async def more() -> Message:
        nonlocal said
        if said:
            return await receive()
        said = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return more
