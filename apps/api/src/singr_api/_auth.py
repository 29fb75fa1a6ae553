"""Who is calling: an API key, or a signed request. Both ways into the API, the lane and the gate, come through here."""

import time
from collections.abc import Mapping
from typing import Final

import msgspec

from singr_api._problems import header_error, problem_of, unauthenticated
from singr_auth import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Principal,
    SignatureError,
    verify_request,
)
from singr_auth.accounts import CredentialError, ServiceCredentials
from singr_observability import Metrics

_API_KEY: Final = b"x-api-key"
_KEY: Final = KEY_HEADER.encode()
_TIMESTAMP: Final = TIMESTAMP_HEADER.encode()
_NONCE: Final = NONCE_HEADER.encode()
_SIGNATURE: Final = SIGNATURE_HEADER.encode()

SINGLE_HEADERS: Final = frozenset(
    {_API_KEY, _KEY, _TIMESTAMP, _NONCE, _SIGNATURE, b"content-type", b"content-length", b"idempotency-key"}
)
"""Headers that decide what a request means: each may come once only."""


class Caller(msgspec.Struct, frozen=True):
    """Who is calling; `nonce` is what a signed request must use up before it changes anything."""

    principal: Principal
    nonce: str | None = None


class Authenticator:
    """Proves who is calling."""

    def __init__(self, credentials: ServiceCredentials, metrics: Metrics) -> None:
        self._credentials = credentials
        self._counter = metrics.auth_total
        self._signed = metrics.auth_total.labels("signature", "accepted")
        self._keyed = metrics.auth_total.labels("api_key", "accepted")

    async def authenticate(self, *, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes) -> Caller:
        """Return who sent this request.

        Args:
            method: as on the request line.
            target: path with query as on the request line.
            headers: by lower-case name.
            body: as received.

        Raises:
            Problem: nobody, or nobody known (401).
        """
        if _SIGNATURE in headers or _KEY in headers:
            try:
                return await self._by_signature(method, target, headers, body)
            except SignatureError as error:
                self._counter.labels("signature", error.code).inc()
                raise problem_of(error) or error from None
        if _API_KEY in headers:
            try:
                principal = await self._credentials.api_key(headers[_API_KEY].decode("latin-1"))
            except CredentialError as error:
                self._counter.labels("api_key", error.code).inc()
                raise problem_of(error) or error from None
            self._keyed.inc()
            return Caller(principal)
        self._counter.labels("none", "missing").inc()
        raise unauthenticated(
            "Sign the request (x-singr-key, x-singr-timestamp, x-singr-nonce, x-singr-signature) or send x-api-key.",
            header_error(SIGNATURE_HEADER, "is required, unless x-api-key is sent"),
        )

    async def _by_signature(self, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes) -> Caller:
        if _API_KEY in headers:
            raise SignatureError("malformed", "x-api-key", "Send a signature or an API key, not both.")
        key_id = headers.get(_KEY, b"").decode("latin-1")
        if not key_id:
            raise SignatureError("missing", KEY_HEADER, f"A signed request carries {KEY_HEADER}.")
        record = await self._credentials.signing_key(key_id)
        if record is None:
            raise SignatureError("mismatch", KEY_HEADER, "This key is unknown, revoked or expired.")
        nonce = headers.get(_NONCE, b"").decode("latin-1")
        verify_request(
            secret=record.secret,
            method=method,
            path=target,
            body=body,
            timestamp=headers.get(_TIMESTAMP, b"").decode("latin-1"),
            nonce=nonce,
            signature=headers.get(_SIGNATURE, b"").decode("latin-1"),
            now=time.time(),
        )
        self._credentials.mark_used(key_id)
        self._signed.inc()
        return Caller(record.principal, nonce)
