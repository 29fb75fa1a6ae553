"""People who call: by an access token in the header `authorization`, or in the cookie of a browser."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, Protocol
from uuid import UUID

import msgspec

from singr_api.admission.cookies import ACCESS, cookies_named
from singr_api.admission.csrf import CsrfGuard
from singr_api.http.problems import (
    CREDENTIALS_AMBIGUOUS,
    ORGANIZATION_FORBIDDEN,
    TOKEN_EXPIRED,
    TOKEN_REFUSED,
    TOKEN_REVOKED,
    FieldError,
    Problem,
    bearer_problem,
    header_error,
    invalid,
    refused,
)
from singr_auth import AccessTokenError, OrganizationError, Principal
from singr_observability import Metrics

ORGANIZATION_HEADER: Final = "x-singr-organization"
AUTHORIZATION: Final = b"authorization"
COOKIE: Final = b"cookie"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ORGANIZATION: Final = ORGANIZATION_HEADER.encode()
_BEARER: Final = "bearer"


class AccessClaims(Protocol):
    """What is needed of a verified access token; `singr_auth.AccessToken` fits. Times are Unix seconds."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""

    @property
    def session_id(self) -> UUID:
        """The session that it came from."""

    @property
    def authenticated_at(self) -> float:
        """When its owner last proved who they are."""

    @property
    def methods(self) -> tuple[str, ...]:
        """How they did (RFC 8176)."""


class TokenVerifier(Protocol):
    """Checks access tokens; `singr_auth.AccessTokenVerifier` fits."""

    def verify(self, text: str) -> AccessClaims:
        """Return what a token says, or raise AccessTokenError."""


class Revocations(Protocol):
    """Knows which sessions have ended; `singr_auth.accounts.AccessFeed` fits."""

    async def ensure_fresh(self) -> None:
        """Return once nothing that is known is older than half a second."""

    def session_revoked(self, session_id: UUID) -> bool:
        """Tell whether a session has ended."""


class MemberPermissions(Protocol):
    """Knows what people may do; `singr_auth.accounts.Permissions` fits."""

    async def of(self, user_id: UUID, organization_id: UUID) -> frozenset[str]:
        """Return what a member may do in an organization, or raise OrganizationError: they are none."""

    async def platform(self, user_id: UUID) -> frozenset[str]:
        """Return what somebody may do on the whole platform: nothing, mostly."""


class Person(msgspec.Struct, frozen=True):
    """Somebody who is signed in.

    Attributes:
        authenticated_at: when they last proved who they are.
        methods: how they did (RFC 8176).
        by_cookie: the browser sent the token by itself.
    """

    user_id: UUID
    session_id: UUID
    authenticated_at: dt.datetime
    methods: tuple[str, ...]
    by_cookie: bool

    @property
    def key_id(self) -> str:
        """Their name wherever a credential is named."""
        return f"user:{self.user_id}"


class People:
    """Proves which person is calling, and for which organization.

    Args:
        tokens: verifies access tokens, without asking anybody.
        revocations: the sessions that ended before their tokens did.
        permissions: of members, and of those who run the platform.
        csrf: asked where a cookie authenticates.
    """

    def __init__(
        self,
        *,
        tokens: TokenVerifier,
        revocations: Revocations,
        permissions: MemberPermissions,
        csrf: CsrfGuard,
        metrics: Metrics,
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._permissions = permissions
        self._csrf = csrf
        self._counter = metrics.auth_total
        self._accepted = metrics.auth_total.labels("access_token", "accepted")

    async def authenticate(self, method: str, headers: Mapping[bytes, bytes]) -> Person | None:
        """Return who is signed in; None where the request carries no access token at all.

        Raises:
            Problem: the token opens nothing (401), there are several (400), or the request of a browser may have been
                made by another site's page (403).
        """
        header, cookie = _bearer(headers), _cookie(headers)
        if header is not None and cookie is not None:
            raise ambiguous("Send the access token in the header authorization or in the cookie, not in both.")
        token = header if header is not None else cookie
        if token is None:
            return None
        claims = await self._verified(token)
        if cookie is not None and method not in SAFE:
            self._csrf.check(headers, claims.session_id)
        self._accepted.inc()
        return Person(
            user_id=claims.user_id,
            session_id=claims.session_id,
            authenticated_at=dt.datetime.fromtimestamp(claims.authenticated_at, dt.UTC),
            methods=claims.methods,
            by_cookie=cookie is not None,
        )

    async def acting(self, person: Person, headers: Mapping[bytes, bytes], in_path: UUID | None) -> Principal:
        """Return what a person may do for the organization that the header names, else the path.

        Somebody who runs the platform, and names none in the header, acts for all of it.

        Raises:
            Problem: they are no member of it (403), or named none (422).
        """
        named = _named(headers, in_path)
        if named is None:
            scopes = await self._permissions.platform(person.user_id)
            if scopes:
                return _principal(person, None, scopes)
        organization_id = named or in_path
        if organization_id is None:
            message = "is required: the id of the organization that you act for"
            raise invalid(header_error(ORGANIZATION_HEADER, message, "required"))
        try:
            scopes = await self._permissions.of(person.user_id, organization_id)
        except OrganizationError:
            raise _foreign(in_path=in_path is not None) from None
        return _principal(person, organization_id, scopes)

    async def _verified(self, token: str) -> AccessClaims:
        try:
            claims = self._tokens.verify(token)
        except AccessTokenError as error:
            self._counter.labels("access_token", error.code).inc()
            expired = error.code == "expired"
            raise bearer_problem(TOKEN_EXPIRED if expired else TOKEN_REFUSED, error.message, error.code) from None
        await self._revocations.ensure_fresh()
        if self._revocations.session_revoked(claims.session_id):
            self._counter.labels("access_token", "revoked").inc()
            raise bearer_problem(TOKEN_REVOKED, "This session has ended: sign in again.", "revoked")
        return claims


def access_tokens(headers: Mapping[bytes, bytes]) -> list[str]:
    """Return every access token that a request carries, in the header or as a cookie, whatever it is worth."""
    header = _bearer(headers)
    return [*([] if header is None else [header]), *cookies_named(headers, ACCESS)]


def carries_token(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request carries an access token, whatever it is worth."""
    return _bearer(headers) is not None or _cookie(headers) is not None


def ambiguous(detail: str) -> Problem:
    """Two credentials: whoever sent the one may not be who sent the other."""
    return bearer_problem(CREDENTIALS_AMBIGUOUS, detail, "ambiguous")


def _bearer(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(AUTHORIZATION)
    if given is None:
        return None
    scheme, _, token = given.decode("latin-1").partition(" ")
    return token.strip(" ") if scheme.lower() == _BEARER else None


def _cookie(headers: Mapping[bytes, bytes]) -> str | None:
    if COOKIE not in headers:
        return None
    values = cookies_named(headers, ACCESS)
    if len(values) > 1:
        raise ambiguous(f"The cookie {ACCESS} comes twice.")
    return values[0] if values else None


def _named(headers: Mapping[bytes, bytes], in_path: UUID | None) -> UUID | None:
    given = headers.get(_ORGANIZATION)
    if given is None:
        return None
    try:
        named = msgspec.convert(given.decode("latin-1"), UUID)
    except msgspec.ValidationError:
        raise invalid(header_error(ORGANIZATION_HEADER, "must be the UUID of an organization", "malformed")) from None
    if in_path is not None and named != in_path:
        message = "must be the organization of the path, or left out"
        raise invalid(header_error(ORGANIZATION_HEADER, message, "conflicting_fields"))
    return named


def _principal(person: Person, organization_id: UUID | None, scopes: frozenset[str]) -> Principal:
    return Principal(person.key_id, organization_id, scopes, "access_token", person.user_id)


def _foreign(*, in_path: bool) -> Problem:
    message = "must be an organization that you are a member of"
    by_path = FieldError("organization_id", message, "path", "forbidden")
    error = by_path if in_path else header_error(ORGANIZATION_HEADER, message, "forbidden")
    return refused(ORGANIZATION_FORBIDDEN, error, "You are not a member of this organization.")
