"""Who is calling: a service by API key or signed request, or a person. The lane and the gate both come through here."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from singr_api.admission.csrf import CSRF_HEADER
from singr_api.admission.people import (
    AUTHORIZATION,
    COOKIE,
    ORGANIZATION_HEADER,
    People,
    Person,
    ambiguous,
    carries_token,
    not_its_own,
    organization_named,
)
from singr_api.http.problems import Problem, header_error, invalid, unauthenticated
from singr_api.http.translations import problem_of
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
from singr_config.clock import clock
from singr_observability import Metrics

_API_KEY: Final = b"x-api-key"
_KEY: Final = KEY_HEADER.encode()
_TIMESTAMP: Final = TIMESTAMP_HEADER.encode()
_NONCE: Final = NONCE_HEADER.encode()
_SIGNATURE: Final = SIGNATURE_HEADER.encode()

DEVICE_HEADER: Final = "x-singr-device"
"""Names the device of a client that keeps no cookies, with the token that an earlier sign-in gave it."""

SINGLE_HEADERS: Final = frozenset(
    {
        *(_API_KEY, _KEY, _TIMESTAMP, _NONCE, _SIGNATURE, AUTHORIZATION, COOKIE),
        *(b"content-type", b"content-length", b"idempotency-key", b"host", b"origin", b"sec-fetch-site"),
        *(CSRF_HEADER.encode(), ORGANIZATION_HEADER.encode(), DEVICE_HEADER.encode()),
    }
)
"""Headers that decide what a request means: each may come once only."""


class Caller(msgspec.Struct, frozen=True):
    """Who is calling.

    Attributes:
        nonce: what a signed request must use up before it changes anything.
        person: set where it is no service, but somebody who acts for an organization.
        acts_for: the organization that a platform API key names in the header.
    """

    principal: Principal
    nonce: str | None = None
    person: Person | None = None
    acts_for: UUID | None = None


class Authenticator:
    """Proves who is calling."""

    def __init__(self, credentials: ServiceCredentials, metrics: Metrics, people: People) -> None:
        self._credentials = credentials
        self._people = people
        self._counter = metrics.auth_total
        self._signed = metrics.auth_total.labels("signature", "accepted")
        self._keyed = metrics.auth_total.labels("api_key", "accepted")

    async def authenticate(
        self, *, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes
    ) -> Caller | Person:
        """Return who sent this request; of a person it is not known yet for which organization.

        Raises:
            Problem: as `known`; or nobody (401).
        """
        found = await self.known(method=method, target=target, headers=headers, body=body)
        if found is None:
            raise self._nobody()
        return found

    async def known(
        self, *, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes
    ) -> Caller | Person | None:
        """As `authenticate`; None where the request carries no credentials at all.

        Args:
            method: as on the request line.
            target: path with query as on the request line.
            headers: by lower-case name.
            body: as received.

        Raises:
            Problem: nobody known (401); several at once (400, 401); a browser that another site's page may
                have told to (403).
        """
        if _SIGNATURE in headers or _KEY in headers:
            try:
                return await self._by_signature(method, target, headers, body)
            except SignatureError as error:
                self._counter.labels("signature", error.code).inc()
                raise problem_of(error) or error from None
        if _API_KEY in headers:
            _only(headers)
            try:
                principal = await self._credentials.api_key(headers[_API_KEY].decode("latin-1"))
            except CredentialError as error:
                self._counter.labels("api_key", error.code).inc()
                raise problem_of(error) or error from None
            self._keyed.inc()
            return Caller(principal)
        person = await self._people.authenticate(method, headers)
        if person is None and AUTHORIZATION in headers:
            raise self._nobody()  # of a scheme that is none of ours: who sends it takes themselves for known
        return person

    def _nobody(self) -> Problem:
        self._counter.labels("none", "missing").inc()
        return unauthenticated(
            "Send an access token (authorization: Bearer), sign the request (x-singr-key, x-singr-timestamp,"
            " x-singr-nonce, x-singr-signature) or send x-api-key.",
            header_error("authorization", "is required, unless the request is signed or x-api-key is sent", "required"),
        )

    async def _by_signature(self, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes) -> Caller:
        if _API_KEY in headers:
            raise SignatureError("malformed", "x-api-key", "Send a signature or an API key, not both.")
        _only(headers)
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
            now=clock.time(),
        )
        self._credentials.mark_used(key_id)
        self._signed.inc()
        return Caller(record.principal, nonce)


def acting_service(caller: Caller, headers: Mapping[bytes, bytes], in_path: UUID | None) -> Caller:
    """Return a service that acts for the organization that the header names, if it names one.

    No signature covers the header, so it does not decide for whom a signed request of the platform is.

    Raises:
        Problem: the header names another than the credential's own (403), or means nothing here (422).
    """
    named, own = organization_named(headers, in_path), caller.principal.organization_id
    if named is None or named in {own, in_path}:
        return caller
    if own is not None:
        raise not_its_own("header")
    if caller.principal.method == "signature":
        message = "is not signed: name the organization in organization_id"
        raise invalid(header_error(ORGANIZATION_HEADER, message, "forbidden"))
    return msgspec.structs.replace(caller, acts_for=named)


def _only(headers: Mapping[bytes, bytes]) -> None:
    if (AUTHORIZATION in headers or COOKIE in headers) and carries_token(headers):
        raise ambiguous("Send one kind of credential: an access token, an API key or a signature.")
