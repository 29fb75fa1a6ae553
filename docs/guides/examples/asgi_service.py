"""A service in plain ASGI that lets people of Singr in, and other services by signed request.

pip install 'singr-auth[httpx]' uvicorn; then: uvicorn --factory asgi_service:from_environment
"""

import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from singr_auth import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_SECONDS,
    AccessToken,
    AccessTokenError,
    KeysUnavailableError,
    Principal,
    RemoteAccessTokenVerifier,
    RemoteKeys,
    ScopeError,
    SignatureError,
    verify_request,
)
from singr_config import Secret

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FRESH_SECONDS = 300
LARGEST_BODY = 65_536
CALLERS = {"billing": frozenset({"songs:write"}), "kiosk": frozenset({"songs:read"})}  # which service may do what


class RefusedError(Exception):
    """What to answer instead."""

    def __init__(self, status: int, detail: str, challenge: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.challenge = status, detail, challenge


class People:
    """Knows people by their access token. The issuer is asked for its keys only, and not for each request."""

    def __init__(self, keys: RemoteKeys, *, issuer: str, audience: str) -> None:
        self._verifier = RemoteAccessTokenVerifier(keys, issuer=issuer, audience=audience)

    async def named(self, headers: Mapping[str, str]) -> AccessToken:
        """Return who is calling."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(401, "Send an access token.", 'Bearer realm="songs"')
        try:
            return await self._verifier.verify(token.strip())
        except AccessTokenError as error:
            raise RefusedError(401, error.message, 'Bearer realm="songs", error="invalid_token"') from None
        except KeysUnavailableError:
            raise RefusedError(503, "Tokens cannot be checked right now.") from None


class Services:
    """Knows other services by the signature of each request."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._secrets = secrets
        self._used: dict[str, float] = {}  # one process; several share a Redis: SET <nonce> 1 NX EX 600

    def named(self, scope: Scope, headers: Mapping[str, str], body: bytes) -> Principal:
        """Return who is calling, once the signature fits and was not seen before."""
        key_id = headers.get(KEY_HEADER, "")
        nonce = headers.get(NONCE_HEADER, "")
        query = f"?{scope['query_string'].decode('ascii')}" if scope["query_string"] else ""
        try:
            verify_request(
                # an unknown key is judged too, against a secret that nobody has
                secret=self._secrets.get(key_id, Secret(os.urandom(32).hex())),
                method=scope["method"],
                path=scope["raw_path"].decode("ascii") + query,
                body=body,
                timestamp=headers.get(TIMESTAMP_HEADER, ""),
                nonce=nonce,
                signature=headers.get(SIGNATURE_HEADER, ""),
                now=time.time(),
            )
        except SignatureError as error:
            raise RefusedError(401, error.message) from None
        self._use(f"{key_id}:{nonce}")
        return Principal(key_id, organization_id=None, scopes=CALLERS.get(key_id, frozenset()), method="signature")

    def _use(self, nonce: str) -> None:
        now = time.monotonic()
        self._used = {known: until for known, until in self._used.items() if until > now}
        if nonce in self._used:
            raise RefusedError(401, "This request was received before.")
        self._used[nonce] = now + 2 * TOLERANCE_SECONDS


class Songs:
    """The service."""

    def __init__(self, people: People, services: Services) -> None:
        self._people = people
        self._services = services
        self.songs: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            status, answer = 200, await self._answer(scope, headers, await _body(receive))
            challenge = ""
        except RefusedError as refused:
            status, answer, challenge = refused.status, {"detail": refused.detail}, refused.challenge
        sent = [(b"content-type", b"application/json")]
        if challenge:
            sent.append((b"www-authenticate", challenge.encode()))
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: bytes) -> Any:
        route = scope["method"], scope["path"]
        if route == ("GET", "/songs"):
            person = await self._people.named(headers)
            return {"for": str(person.user_id), "songs": self.songs}
        if route == ("DELETE", "/songs"):
            person = await self._people.named(headers)
            if time.time() - person.authenticated_at > FRESH_SECONDS:
                raise RefusedError(403, "Prove first that it is you: POST /v1/auth/reauthenticate.")
            self.songs.clear()
            return {"songs": []}
        if route == ("POST", "/songs"):
            caller = self._services.named(scope, headers, body)
            try:
                caller.require("songs:write")
            except ScopeError as error:
                raise RefusedError(403, str(error)) from None
            self.songs.append(json.loads(body)["title"])
            return {"songs": self.songs}
        raise RefusedError(404, "There is nothing here.")


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        piece: bytes = message.get("body", b"")
        body += piece
        if len(body) > LARGEST_BODY:
            raise RefusedError(413, "Send less at once.")
        if not message.get("more_body"):
            return body


def from_environment() -> Songs:
    """Build the service."""
    keys = RemoteKeys(os.environ["SINGR_KEYS_URL"])  # https://api.singrkaraoke.com/.well-known/jwks.json
    people = People(keys, issuer=os.environ["SINGR_ISSUER"], audience=os.environ["SINGR_AUDIENCE"])
    return Songs(people, Services({"billing": Secret(os.environ["BILLING_SIGNING_SECRET"])}))
