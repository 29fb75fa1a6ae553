"""What sign-in needs of HTTP: where a request comes from, and how tokens are handed over, in the body or as cookies."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request
from msgspec.structs import replace

from singr_api.admission import cookies
from singr_api.admission.auth import DEVICE_HEADER, SINGLE_HEADERS
from singr_api.admission.csrf import CsrfGuard
from singr_api.admission.people import access_tokens
from singr_api.http.body import single_headers
from singr_api.http.edge import Scope, response_headers
from singr_auth.accounts import ClientInfo, SecondFactorRequired, SignedIn, SignInResult
from singr_config import Secret

Delivery = Literal["body", "cookie"]
"""How tokens reach the caller: in the answer's body, or as cookies that no script can read."""

AddressReader = Callable[[Any, Mapping[bytes, bytes]], str]
SchemeReader = Callable[[Scope, Mapping[bytes, bytes]], bytes]
AnyRequest = Request[Any, Any, Any]
BROWSERS: Final = "singr_browsers"
"""Where a request carries those of its installation."""
_LONGEST_USER_AGENT = 400
_LONGEST_DEVICE_TOKEN = 200
_DEVICE = DEVICE_HEADER.encode()


class SignedInAnswer(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="status", tag="signed_in"):
    """Signed in. With `delivery: cookie` the tokens are in cookies, and only `csrf_token` is returned.

    Attributes:
        expires_in: seconds until the access token expires.
        refresh_expires_in: seconds until the refresh token expires unused.
        device_token: store it, and send it with each step of the next sign-in on this device, in the body or as
            `x-singr-device`.
        csrf_token: send it as `x-csrf-token` with every unsafe request that is authenticated by the cookies.
        backup_codes_left: how many are left, if one was used.
    """

    session_id: UUID
    expires_in: int
    refresh_expires_in: int
    access_token: str | None = None
    token_type: Literal["Bearer"] | None = None
    refresh_token: str | None = None
    device_token: str | None = None
    csrf_token: str | None = None
    backup_codes_left: int | None = None


class SecondFactorAnswer(msgspec.Struct, frozen=True, tag_field="status", tag="second_factor_required"):
    """The first factor is right; continue at `POST /v1/auth/second-factor/verify` with one of `methods`."""

    challenge_token: str
    methods: tuple[str, ...]
    expires_in: int


SignInAnswer: TypeAlias = SignedInAnswer | SecondFactorAnswer


class Browsers:
    """Knows callers by where they come from, and browsers by their cookies.

    Args:
        address: tells where a request comes from.
        scheme: tells by which scheme, such as `https`.
        csrf: tells which requests of browsers are of a page's own making.
        device_ttl: seconds for which a browser keeps its device token.
    """

    def __init__(self, *, address: AddressReader, scheme: SchemeReader, csrf: CsrfGuard, device_ttl: int) -> None:
        self.csrf = csrf
        self._address = address
        self.scheme = scheme
        self._device_ttl = device_ttl

    def address(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """Return the caller's address, as far as it is believed."""
        return self._address(scope.get("client"), headers)

    def client(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ClientInfo:
        """Return what flows need to know of the caller's side."""
        named = cookies.cookies_named(headers, cookies.DEVICE)
        device = headers[_DEVICE].decode("latin-1") if _DEVICE in headers else (named[0] if len(named) == 1 else "")
        user_agent = headers.get(b"user-agent", b"").decode("utf-8", "replace")
        return ClientInfo(
            address=self._address(scope.get("client"), headers),
            user_agent="".join(filter(str.isprintable, user_agent))[:_LONGEST_USER_AGENT],
            device_token=Secret(device) if 0 < len(device) <= _LONGEST_DEVICE_TOKEN else None,
        )

    def cookies(self, result: SignedIn, client: ClientInfo) -> list[tuple[bytes, bytes]]:
        """Return the headers that put a session into cookies, and a known device's token for another while."""
        token = self.csrf.token(result.session_id)
        device = client.device_token if result.known_device else result.device_token
        headers = [
            cookies.set_cookie(cookies.ACCESS, result.access_token, max_age=result.expires_in),
            cookies.set_cookie(cookies.REFRESH, result.refresh_token, max_age=result.refresh_expires_in),
            cookies.set_cookie(cookies.CSRF, token, max_age=result.refresh_expires_in),
        ]
        if device is not None:
            headers.append(cookies.set_cookie(cookies.DEVICE, device, max_age=self._device_ttl))
        return headers


def browsers_of(request: AnyRequest) -> Browsers:
    """Return what this installation was built with."""
    browsers: Browsers = request.scope["state"][BROWSERS]
    return browsers


def client_info(request: AnyRequest) -> ClientInfo:
    """Return where a request comes from: its address, what it calls itself, and the device token that it presents."""
    return browsers_of(request).client(request.scope, _headers(request))  # type: ignore[arg-type] # a TypedDict


def access_tokens_of(request: AnyRequest) -> list[str]:
    """Return every access token that came along, whatever it is worth."""
    return access_tokens(_headers(request))


def refresh_cookie(request: AnyRequest) -> str | None:
    """Return the refresh token that a browser sent along; None where it sent none, or two."""
    values = cookies.cookies_named(_headers(request), cookies.REFRESH)
    return values[0] if len(values) == 1 else None


def sign_in_answer(request: AnyRequest, result: SignInResult, delivery: Delivery, client: ClientInfo) -> SignInAnswer:
    """Return what is answered to a first factor: as `signed_in_answer`, or that a second one has to follow."""
    if isinstance(result, SecondFactorRequired):
        return SecondFactorAnswer(result.challenge_token.reveal(), result.methods, result.expires_in)
    return signed_in_answer(request, result, delivery, client)


def signed_in_answer(request: AnyRequest, result: SignedIn, delivery: Delivery, client: ClientInfo) -> SignedInAnswer:
    """Return what is answered to whoever is signed in now, or refreshed their tokens.

    Args:
        request: cookies are set on its answer.
        result: of the flow.
        client: whom the flow saw: the device token of a known device is kept as a cookie for another while.
        delivery: `cookie` sets cookies, and the answer holds no token but the one against forged requests.
    """
    browsers = browsers_of(request)
    told = SignedInAnswer(
        session_id=result.session_id,
        expires_in=result.expires_in,
        refresh_expires_in=result.refresh_expires_in,
        backup_codes_left=result.backup_codes_left,
    )
    if delivery == "cookie":
        response_headers(request.scope).extend(browsers.cookies(result, client))  # type: ignore[arg-type] # a TypedDict
        return replace(told, csrf_token=browsers.csrf.token(result.session_id).reveal())
    return replace(
        told,
        access_token=result.access_token.reveal(),
        token_type="Bearer",  # noqa: S106 — RFC 6750's name of the scheme
        refresh_token=result.refresh_token.reveal(),
        device_token=result.device_token.reveal() if result.device_token is not None else None,
    )


def clear_cookies(request: AnyRequest) -> None:
    """Make the browser forget its session with this answer, refusals included; its device stays known."""
    gone = [cookies.drop_cookie(name) for name in (cookies.ACCESS, cookies.REFRESH, cookies.CSRF)]
    response_headers(request.scope).extend(gone)  # type: ignore[arg-type] # Litestar's scope is a TypedDict


def _headers(request: AnyRequest) -> dict[bytes, bytes]:
    return single_headers(request.scope["headers"], SINGLE_HEADERS)
