"""People who call: by an access token in the header `authorization`, or in the cookie of a browser."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from singr_api.admission.cookies import ACCESS, cookies_named
from singr_api.admission.csrf import CsrfGuard
from singr_api.http import problems
from singr_api.http.problems import FieldError, Location, Problem, bearer_problem, header_error, invalid, refused
from singr_auth import AccessToken, AccessTokenError, OrganizationError, Principal
from singr_auth.accounts import Accounts
from singr_observability import Metrics

ORGANIZATION_HEADER: Final = "x-singr-organization"
AUTHORIZATION: Final = b"authorization"
COOKIE: Final = b"cookie"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ORGANIZATION: Final = ORGANIZATION_HEADER.encode()
_BEARER: Final = "bearer"


class Person(msgspec.Struct, frozen=True):
    """Somebody who is signed in.

    Attributes:
        expires_at: until when the access token that they sent proves it, in Unix seconds; their session has not ended
            by then unless somebody ends it.
    """

    user_id: UUID
    session_id: UUID
    expires_at: float

    @property
    def key_id(self) -> str:
        """Their name wherever a credential is named."""
        return f"user:{self.user_id}"


class People:
    """Proves which person is calling, and for which organization.

    Args:
        accounts: verify access tokens without asking anybody, and know which sessions ended before their tokens did,
            and what people may do.
        csrf: asked where a cookie authenticates.
    """

    def __init__(self, accounts: Accounts, csrf: CsrfGuard, metrics: Metrics) -> None:
        self._tokens = accounts.tokens
        self._revocations = accounts.access_feed
        self._permissions = accounts.permissions
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
        return Person(claims.user_id, claims.session_id, claims.expires_at)

    async def acting(self, person: Person, headers: Mapping[bytes, bytes], in_path: UUID | None) -> Principal:
        """Return what a person may do for the organization that the header names, else the path.

        Somebody who runs the platform, and names none in the header, acts for all of it.

        Raises:
            Problem: they are no member of it (403), or named none (422).
        """
        named = organization_named(headers, in_path)
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

    async def _verified(self, token: str) -> AccessToken:
        try:
            claims = self._tokens.verify(token)
        except AccessTokenError as error:
            self._counter.labels("access_token", error.code).inc()
            expired = error.code == "expired"
            raise bearer_problem(
                problems.TOKEN_EXPIRED if expired else problems.TOKEN_REFUSED, error.message, error.code
            ) from None
        await self._revocations.ensure_fresh()
        if self._revocations.session_revoked(claims.session_id):
            self._counter.labels("access_token", "revoked").inc()
            raise bearer_problem(problems.TOKEN_REVOKED, "This session has ended: sign in again.", "revoked")
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
    return bearer_problem(problems.CREDENTIALS_AMBIGUOUS, detail, "ambiguous")


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


def organization_named(headers: Mapping[bytes, bytes], in_path: UUID | None) -> UUID | None:
    """Return the organization that the header names; None without one.

    Raises:
        Problem: it is no UUID, or the path names another (422).
    """
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


def not_its_own(location: Location) -> Problem:
    """An organization's credential that names another one."""
    message = "must be the credential's own organization, or left out"
    name = ORGANIZATION_HEADER if location == "header" else "organization_id"
    error = FieldError(name, message, location, "forbidden")
    return refused(problems.ORGANIZATION_FORBIDDEN, error, "This credential may act for its own organization only.")


def _principal(person: Person, organization_id: UUID | None, scopes: frozenset[str]) -> Principal:
    return Principal(person.key_id, organization_id, scopes, "access_token", person.user_id)


def _foreign(*, in_path: bool) -> Problem:
    message = "must be an organization that you are a member of"
    by_path = FieldError("organization_id", message, "path", "forbidden")
    error = by_path if in_path else header_error(ORGANIZATION_HEADER, message, "forbidden")
    return refused(problems.ORGANIZATION_FORBIDDEN, error, "You are not a member of this organization.")
