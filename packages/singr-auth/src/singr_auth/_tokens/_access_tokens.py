"""Access tokens: JSON Web Tokens in the profile of RFC 9068, signed with ES256 and nothing else, following RFC 8725.

A token says who (`sub`), in which session (`sid`), proved how and when (`amr`, `auth_time`), and lives at most fifteen
minutes. What may be done is not in it: roles change faster than tokens expire.

joserfc reads keys and makes and checks signatures. It takes expired tokens and any `typ`, so everything else is checked
here: the form and the header before the signature, the claims after it.
"""

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError

from singr_auth._tokens._keys import ALGORITHM, P256_ORDER, KeyRing, KeySource
from singr_config import HoldsSecrets, PortableError, Secret
from singr_config.clock import clock

TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 — the media type of RFC 9068
CLIENT_ID: Final = "singr"
"""The one client (RFC 9068 2.2) that tokens are issued to: our own apps."""
LONGEST_LIFE_SECONDS: Final = 900
CLOCK_TOLERANCE_SECONDS: Final = 60
"""How far ahead the issuer's clock may be. An expired token is expired, by the verifier's own clock."""

AccessTokenProblem = Literal["malformed", "signature", "expired", "claims"]

_LONGEST: Final = 4096
_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})", re.ASCII)
_NUMBER_BYTES: Final = 32
_LATEST: Final = 253_402_300_799  # the last second of the year 9999

_Moment = Annotated[int, msgspec.Meta(ge=0, le=_LATEST)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AccessTokenError(PortableError):
    """An access token is refused.

    Attributes:
        code: `malformed` (not such a token at all), `signature` (forged, altered or of an unknown key), `expired`, or
            `claims` (genuine, but not for here or not yet).
        message: what is wrong; holds nothing of the token.
    """

    def __init__(self, code: AccessTokenProblem, message: str) -> None:
        super().__init__(message)
        self.code: AccessTokenProblem = code
        self.message = message


class IssuedToken(HoldsSecrets, frozen=True):
    """A new access token.

    Attributes:
        token: its text.
        expires_in: seconds until it expires.
        token_id: its `jti`.
    """

    token: Secret
    expires_in: int
    token_id: UUID


class AccessToken(msgspec.Struct, frozen=True):
    """What a verified access token says. Moments are in Unix seconds.

    Attributes:
        user_id: who (`sub`).
        session_id: in which session (`sid`): what to look up where sessions may have been revoked.
        token_id: which token (`jti`).
        issued_at: since when (`iat`).
        expires_at: until when (`exp`).
        authenticated_at: when the person last proved who they are (`auth_time`).
        methods: how (`amr`), e.g. `("pwd", "otp")`.
    """

    user_id: UUID
    session_id: UUID
    token_id: UUID
    issued_at: float
    expires_at: float
    authenticated_at: float
    methods: tuple[str, ...]


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Forbidding all else shuts out crit, jwk, jku, x5u, x5c, b64 and zip at once
    alg: Literal["ES256"]
    kid: _Name
    typ: Literal["at+jwt"]


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    sub: UUID
    exp: _Moment
    iat: _Moment
    jti: UUID
    client_id: _Name
    sid: UUID
    auth_time: _Moment
    amr: Annotated[list[_Name], msgspec.Meta(min_length=1, max_length=16)]
    nbf: _Moment | msgspec.UnsetType = msgspec.UNSET


class AccessTokenIssuer:
    """Issues access tokens.

    Args:
        keys: the ring whose signing key signs.
        issuer: `iss`, as verifiers expect it.
        audience: `aud`, as verifiers expect it.
        ttl: seconds that a token lives, 1 to 900.
    """

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, ttl: int) -> None:
        if not 1 <= ttl <= LONGEST_LIFE_SECONDS:
            raise ValueError(f"An access token lives 1 to {LONGEST_LIFE_SECONDS} seconds.")
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._ttl = ttl

    def issue(
        self,
        user_id: UUID,
        session_id: UUID,
        *,
        methods: Sequence[str],
        authenticated_at: dt.datetime,
        expires_by: dt.datetime | None = None,
        now: float | None = None,
    ) -> IssuedToken:
        """Sign a token.

        Args:
            user_id: whose.
            session_id: in which session.
            methods: how the person proved who they are, one at least; see RFC 8176.
            authenticated_at: when, with its time zone; the database's clock may be a little ahead of this one.
            expires_by: a token never outlives this moment, the end of its session; it lives for a second at least.
            now: Unix seconds; the clock's, unless told.
        """
        if not methods or isinstance(methods, str):
            raise ValueError("methods is a list of one method at least.")
        if authenticated_at.tzinfo is None:
            raise ValueError("authenticated_at needs its time zone.")
        issued_at = int(clock.time() if now is None else now)
        life = self._ttl if expires_by is None else max(1, min(self._ttl, int(expires_by.timestamp()) - issued_at))
        token_id = uuid4()
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "client_id": CLIENT_ID,
            "jti": str(token_id),
            "iat": issued_at,
            "exp": issued_at + life,
            "sid": str(session_id),
            "auth_time": min(int(authenticated_at.timestamp()), issued_at),
            "amr": list(methods),
        }
        header = {"alg": ALGORITHM, "kid": self._keys.signing_kid, "typ": TOKEN_TYPE}
        text = jwt.encode(header, claims, self._keys.signing_key, algorithms=[ALGORITHM])
        return IssuedToken(Secret(text), life, token_id)


class AccessTokenVerifier:
    """Verifies access tokens without asking anyone: neither the issuer nor a store.

    Args:
        keys: the issuer's public keys.
        issuer: the one `iss` that is accepted.
        audience: the `aud` that must be named.
    """

    def __init__(self, keys: KeySource, *, issuer: str, audience: str) -> None:
        if not (issuer and audience):
            raise ValueError("A verifier needs to know issuer and audience.")
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def verify(self, text: str, *, now: float | None = None) -> AccessToken:
        """Return what the token says, if it is genuine, for here and in force.

        That its session goes on is not for the token to say: look it up where sign-out must take effect at once.

        Args:
            text: the token as presented, without `Bearer`.
            now: Unix seconds; the clock's, unless told.

        Raises:
            AccessTokenError: with the code and what is wrong.
        """
        claims = self._genuine_claims(text)
        moment = clock.time() if now is None else now
        self._check_audience(claims)
        _check_times(claims, moment)
        return AccessToken(
            user_id=claims.sub,
            session_id=claims.sid,
            token_id=claims.jti,
            issued_at=float(claims.iat),
            expires_at=float(claims.exp),
            authenticated_at=float(claims.auth_time),
            methods=tuple(claims.amr),
        )

    def _genuine_claims(self, text: str) -> _Claims:
        header, payload = _read(text)
        key = self._keys.find(header.kid)
        if key is None:
            raise AccessTokenError("signature", "The token is signed with a key that is not known here.")
        try:
            jws.deserialize_compact(text, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            raise AccessTokenError("signature", "The token's signature is wrong.") from None
        try:
            return msgspec.convert(_members(payload), _Claims)
        except (msgspec.ValidationError, ValueError, RecursionError):
            raise AccessTokenError("claims", "The token lacks a claim, or a claim has the wrong form.") from None

    def _check_audience(self, claims: _Claims) -> None:
        if claims.iss != self._issuer:
            raise AccessTokenError("claims", "The token was issued by somebody else.")
        named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._audience not in named:
            raise AccessTokenError("claims", "The token is meant for another audience.")


def token_key_id(text: str) -> str:
    """Return the id of the key that a token names, without trusting anything of it.

    Raises:
        AccessTokenError: `malformed`.
    """
    return _read(text)[0].kid


def _check_times(claims: _Claims, now: float) -> None:
    if claims.exp <= now:
        raise AccessTokenError("expired", "The token has expired.")
    latest = now + CLOCK_TOLERANCE_SECONDS
    if claims.iat > latest or (isinstance(claims.nbf, int) and claims.nbf > latest):
        raise AccessTokenError("claims", "The token is not valid yet; compare the clocks of both machines.")
    if not 0 < claims.exp - claims.iat <= LONGEST_LIFE_SECONDS or claims.auth_time > claims.iat:
        raise AccessTokenError("claims", "The token's times contradict each other, or it lives too long.")


def _read(text: str) -> tuple[_Header, bytes]:
    """The header and the payload of a token whose form is right in every respect."""
    found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise AccessTokenError(
            "malformed", f"An access token is three parts in base64url, {_LONGEST} characters at most."
        )
    try:
        header = msgspec.convert(_members(_decoded(found[1])), _Header)
        payload, signature = _decoded(found[2]), _decoded(found[3])
    except (msgspec.ValidationError, ValueError, RecursionError):
        raise AccessTokenError(
            "malformed", f"An access token's header names ES256, a key and the type {TOKEN_TYPE}, and nothing else."
        ) from None
    r, s = int.from_bytes(signature[:_NUMBER_BYTES]), int.from_bytes(signature[_NUMBER_BYTES:])
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        raise AccessTokenError("signature", "The token's signature is out of range.")
    return header, payload


def _decoded(part: str) -> bytes:
    """Decode base64url without padding; one text only stands for the same bytes."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise ValueError("not the canonical form")
    return data


def _members(data: bytes) -> dict[str, Any]:
    """Decode a JSON object that names no member twice, at any depth: readers disagree on which of two would count."""
    decoded = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(decoded, dict):
        raise ValueError("not an object")  # noqa: TRY004 — of the token, not of an argument
    return decoded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
