"""Everything that another service needs of Singr to know its callers, without a web framework."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from singr_auth._brief_cache import BriefCache
from singr_auth._principal import AccessError, Principal
from singr_auth._remote._address import check_address
from singr_auth._remote._doubt import Doubt
from singr_auth._remote._keys import KeysUnavailableError, RemoteAccessTokenVerifier, RemoteKeys
from singr_auth._remote._per_loop import PerLoop
from singr_auth._signing import SigningKey
from singr_auth._tokens._access_tokens import AccessToken, AccessTokenError
from singr_auth._tokens._api_keys import ApiKeyError, parse_api_key
from singr_config import PortableError, Secret
from singr_config.clock import clock
from singr_config.extras import extra

with extra("singr-auth", "httpx"):
    import httpx

    from singr_auth._httpx import SignedRequestAuth

REMEMBERED_SECONDS: Final = 5.0
"""How long an answer of Singr is believed: a revoked key or a lost permission is noticed that late at most."""
ORGANIZATION_HEADER: Final = "x-singr-organization"

_CACHE_SIZE: Final = 10_000
_TIMEOUT: Final = httpx.Timeout(5.0)
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_UNAVAILABLE: Final = 503
_BEARER: Final = {"www-authenticate": 'Bearer error="invalid_token"'}
_EITHER: Final = "Send a Singr access token (authorization: Bearer) or a Singr API key (x-api-key)."
_SIGN_IN: Final = {"www-authenticate": "Bearer"}


_Answer = TypeVar("_Answer")


class RefusedError(PortableError):
    """A caller is refused: what to answer.

    Attributes:
        status: 400, 401, 403 or 503.
        detail: fit for the caller; holds nothing of what they sent.
        headers: to send along.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def close_code(refused: RefusedError) -> int:
    """Return what a WebSocket is closed with: 1013 "try again later" for 503, else 1008 "policy violation"."""
    return 1013 if refused.status == _UNAVAILABLE else 1008


def close_reason(refused: RefusedError) -> str:
    """Return why it is closed; RFC 6455 leaves 123 bytes for that."""
    return refused.detail.encode()[:123].decode(errors="ignore")


class _Introspected(msgspec.Struct, frozen=True):
    active: bool
    scope: str = ""
    client_id: str = ""
    exp: int | None = None
    organization_id: UUID | None = None


class _Place(msgspec.Struct, frozen=True):
    id: UUID
    permissions: frozenset[str]


class _Places(msgspec.Struct, frozen=True):
    items: tuple[_Place, ...]


class _Asked:
    """A secret that is being asked about, and how many wait for the answer."""

    __slots__ = ("secret", "waiting")

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.waiting = 0


class _Here(NamedTuple):
    """What belongs to one event loop."""

    client: httpx.AsyncClient
    principals: BriefCache[_Introspected]
    places: BriefCache[_Places]
    doubt: Doubt


class RemoteAccess:
    """Knows people by their access tokens and programs by their API keys, as Singr knows them.

    Tokens are checked against the keys that Singr publishes, API keys and permissions are asked for; answers are
    remembered for seconds, and whoever asks for the same at the same time waits for one answer. A flood of invented
    keys shuts nobody out whose key was good before. Each event loop has connections and a memory of its own, so it
    serves on after a restart, and after `aclose`.

    Args:
        url: of Singr's API, https, without a query; plain http only to this machine, or with `allow_http`.
        issuer: its `JWT_ISSUER`.
        audience: its `JWT_AUDIENCE`.
        credential: with the scope `api_keys:introspect`, to ask about API keys with: a `SigningKey`, or an API key as a
            `Secret`. None: no API key is taken.
        client: an httpx client to use on its event loop, which stays the caller's to close; of its own, unless given.
        remembered: seconds for which an answer is believed.
        allow_http: trust the network to Singr.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        audience: str,
        credential: SigningKey | Secret | None = None,
        client: httpx.AsyncClient | None = None,
        remembered: float = REMEMBERED_SECONDS,
        allow_http: bool = False,
    ) -> None:
        check_address(url, "The address of Singr's API", allow_http=allow_http, query=False)
        self._url = url.rstrip("/")
        self._client = client
        self._keys = RemoteKeys(f"{self._url}/.well-known/jwks.json", client=client, allow_http=allow_http)
        self._verifier = RemoteAccessTokenVerifier(self._keys, issuer=issuer, audience=audience)
        self._credential = credential
        self._asked: dict[str, _Asked] = {}  # by digest, while somebody waits for it
        self._remembered_for = remembered
        self._here = PerLoop(self._begin)

    async def person(self, authorization: str | None) -> AccessToken:
        """Return who sent this `Authorization` header.

        Raises:
            RefusedError: 401: no access token, or one that opens nothing. 503: Singr's keys cannot be fetched.
        """
        try:
            return await self._verifier.verify(_bearer(authorization))
        except AccessTokenError as error:
            raise RefusedError(_UNAUTHORIZED, error.message, _BEARER) from None
        except KeysUnavailableError:
            raise RefusedError(503, "Access tokens cannot be checked right now.") from None

    async def api_key(self, presented: str | None) -> Principal:
        """Return whose API key this `X-API-Key` header holds, with what it may do.

        Raises:
            RefusedError: 401: none, or one that opens nothing. 503: Singr cannot be asked, or it is a new one amid many
                that are invented.
        """
        if self._credential is None or not presented:
            raise RefusedError(_UNAUTHORIZED, "Send a Singr API key in the header x-api-key.")
        try:
            parse_api_key(presented)
        except ApiKeyError as error:
            raise RefusedError(_UNAUTHORIZED, str(error)) from None
        found = await self._remembered(self._here.get().principals, presented)
        if found is None or (found.exp is not None and found.exp <= clock.time()):
            raise RefusedError(_UNAUTHORIZED, "This API key is unknown, revoked or expired.")
        return Principal(found.client_id, found.organization_id, frozenset(found.scope.split()), "api_key")

    async def caller(
        self, *, authorization: str | None, api_key: str | None, organization: str | None, scope: str
    ) -> Principal:
        """Return whoever calls, a person or a program, once they hold a permission in an organization.

        Args:
            authorization: the header `Authorization`, as received.
            api_key: the header `X-API-Key`, as received.
            organization: the id of the organization that is acted for; a person's must be named.
            scope: the permission that it takes.

        Raises:
            RefusedError: 400: both kinds of credential, or a malformed organization. 401: as `person` and `api_key`.
                403: not that organization, or without the permission. 503: Singr cannot be asked.
        """
        if authorization and api_key:
            raise RefusedError(400, "Send an access token or an API key, not both.")
        organization_id = _organization(organization)
        if not authorization and not api_key and self._credential is not None:
            raise RefusedError(_UNAUTHORIZED, _EITHER, _SIGN_IN)
        if api_key:
            principal = await self.api_key(api_key)
        else:
            person = await self.person(authorization)
            if organization_id is None:
                raise RefusedError(400, f"Name the organization that you act for in the header {ORGANIZATION_HEADER}.")
            principal = await self._member(person, _bearer(authorization), organization_id)
        try:
            if organization_id is not None:
                principal.require_organization(organization_id)
            principal.require(scope)
        except AccessError as error:
            raise RefusedError(403, str(error)) from None
        return principal

    async def aclose(self) -> None:
        """Close what is its own on this event loop; whoever asks again opens it anew."""
        await self._keys.aclose()
        here = self._here.take()
        if here is not None and here.client is not self._client:
            await here.client.aclose()

    def _begin(self) -> "_Here":
        return _Here(
            self._client or httpx.AsyncClient(),
            BriefCache(self._introspect, seconds=self._remembered_for, size=_CACHE_SIZE),
            BriefCache(self._ask_places, seconds=self._remembered_for, size=_CACHE_SIZE),
            Doubt(_CACHE_SIZE),
        )

    async def _member(self, person: AccessToken, token: str, organization_id: UUID) -> Principal:
        places = await self._remembered(self._here.get().places, token)
        if places is None:
            raise RefusedError(_UNAUTHORIZED, "This session has ended: sign in again.", _BEARER)
        scopes = next((place.permissions for place in places.items if place.id == organization_id), None)
        if scopes is None:
            raise RefusedError(403, "You are not a member of this organization.")
        return Principal(f"user:{person.user_id}", organization_id, scopes, "access_token", person.user_id)

    async def _remembered(self, cache: BriefCache[_Answer], presented: str) -> _Answer | None:
        # what is remembered is named by a digest: no secret stays in memory for longer than somebody waits for it
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()
        asked = self._asked.setdefault(digest, _Asked(presented))
        asked.waiting += 1
        try:
            return await cache.get(digest)
        finally:
            asked.waiting -= 1
            if not asked.waiting:
                self._asked.pop(digest, None)

    def _secret(self, digest: str) -> str:
        asked = self._asked.get(digest)
        if asked is None:
            raise _unavailable()  # whoever asked went away; what fails is not remembered
        return asked.secret

    async def _introspect(self, digest: str) -> _Introspected | None:
        sent = {"token": self._secret(digest)}
        doubt = self._here.get().doubt
        if not doubt.may_ask(digest):
            raise RefusedError(_UNAVAILABLE, "Too many unknown API keys are being tried. Try again in a second.")
        signed = SignedRequestAuth(self._credential) if isinstance(self._credential, SigningKey) else None
        headers = {"x-api-key": self._credential.reveal()} if isinstance(self._credential, Secret) else {}
        answer = await self._send("POST", "/v1/introspect", data=sent, auth=signed, headers=headers)
        found = _read(answer, _Introspected)
        doubt.found(digest, good=found.active)
        return found if found.active else None

    async def _ask_places(self, digest: str) -> _Places | None:
        headers = {"authorization": f"Bearer {self._secret(digest)}"}
        answer = await self._send("GET", "/v1/organizations", headers=headers)
        return None if answer.status_code == _UNAUTHORIZED else _read(answer, _Places)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._here.get().client.request(
                method, f"{self._url}{path}", follow_redirects=False, timeout=_TIMEOUT, **options
            )
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: the client that was given is closed, or another loop's
            raise _unavailable() from None


def _read(answer: httpx.Response, type_: type[_Answer]) -> _Answer:
    # a refusal of our own credential is no word about the caller's
    if answer.status_code != _OK:
        raise _unavailable()
    try:
        return msgspec.json.decode(answer.content, type=type_)
    except msgspec.MsgspecError:
        raise _unavailable() from None


def _unavailable() -> RefusedError:
    return RefusedError(503, "Singr cannot be reached right now.")


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError(_UNAUTHORIZED, "Send a Singr access token: authorization: Bearer.", _SIGN_IN)
    return token.strip()


def _organization(named: str | None) -> UUID | None:
    try:
        return UUID(named) if named else None
    except ValueError:
        raise RefusedError(400, "The organization is named by its id, a UUID.") from None
