"""The issuer's key set, fetched from its address: for services that hold nothing of Singr's but that address."""

import asyncio
import time
from typing import Any, Final

import msgspec
from joserfc.jwk import ECKey

from singr_auth._remote._address import check_address
from singr_auth._remote._per_loop import PerLoop
from singr_auth._tokens._access_tokens import AccessToken, AccessTokenVerifier, token_key_id
from singr_auth._tokens._keys import KeyFormError, PublicKeys
from singr_config import PortableError
from singr_config.extras import extra

with extra("singr-auth", "httpx"):
    import httpx

MAX_AGE_SECONDS: Final = 300
"""After this long the set is fetched again, so that a key taken out of it is soon refused."""
KEPT_WITHOUT_ISSUER_SECONDS: Final = 3600
"""For this long beyond its age a set serves on while the issuer cannot be reached."""

_UNKNOWN_KEY_PAUSE: Final = 60.0
_FAILURE_PAUSE: Final = 5.0
_TIMEOUT: Final = httpx.Timeout(5.0)
_LARGEST: Final = 65_536


class KeysUnavailableError(PortableError):
    """The issuer's keys could not be fetched, so no token can be judged. Not the token's fault: answer 503, not 401."""


class _Here:
    """What belongs to one event loop."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.fetching: asyncio.Task[None] | None = None


class RemoteKeys:
    """A key set at an address, remembered, and fetched again when it is old or a token names an unknown key.

    However many ask at once, one fetch is on its way; unknown keys cause one a minute at most, so a flood of made-up
    tokens does not reach the issuer. Redirects are not followed.

    Args:
        url: address of the key set, https; plain http only to this machine, or with `allow_http`.
        client: an httpx client to use on its one event loop; it stays the caller's to close. Unless given, each event
            loop has one, so that a restart in the same process serves on.
        max_age: seconds after which the set is fetched again.
        allow_http: trust the network to the issuer: who can alter what it carries can sign in as anybody.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.AsyncClient | None = None,
        max_age: float = MAX_AGE_SECONDS,
        allow_http: bool = False,
    ) -> None:
        check_address(url, "The key set's address", allow_http=allow_http)
        self._url = url
        self._client = client
        self._here = PerLoop(self._begin)
        self._max_age = max_age
        self._keys = PublicKeys({})
        self._fetched_at: float | None = None
        self._next_try = 0.0
        self._problem = "not asked yet"

    def find(self, kid: str) -> ECKey | None:
        """Return the public key of that id from what is remembered, or None."""
        return self._keys.find(kid) if self._usable() else None

    async def prepare(self, token: str) -> None:
        """Fetch the key set if this token cannot be judged without.

        Raises:
            AccessTokenError: `malformed`.
            KeysUnavailableError: there is no set to judge by, and none can be fetched.
        """
        kid = token_key_id(token)
        known = self.find(kid) is not None
        if known and self._fresh():
            return
        here = self._here.get()
        if here.fetching is None and time.monotonic() >= self._next_try:
            here.fetching = asyncio.create_task(self._fetch(here), name="singr-auth-keys")
        if here.fetching is not None and not known:  # a known key serves on while the set is renewed beside it
            await asyncio.wait((here.fetching,))  # who goes away meanwhile does not end it for the others
        if not self._usable():
            raise KeysUnavailableError(f"The key set at {self._url} cannot be fetched ({self._problem}).")

    async def aclose(self) -> None:
        """End a fetch of this event loop that is under way, and close its own client; `prepare` opens it anew."""
        here = self._here.take()
        if here is not None and here.fetching is not None:
            here.fetching.cancel()
        if here is not None and here.client is not self._client:
            await here.client.aclose()

    def _begin(self) -> "_Here":
        return _Here(self._client or httpx.AsyncClient())

    async def _fetch(self, here: "_Here") -> None:
        tried_before = self._next_try
        self._next_try = time.monotonic() + _FAILURE_PAUSE
        try:
            self._keys = await self._read(here.client)
            self._fetched_at = time.monotonic()
            self._next_try = self._fetched_at + min(_UNKNOWN_KEY_PAUSE, self._max_age)
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError, RuntimeError) as error:
            # RuntimeError: the client that was given is closed, or another loop's; or a set nested too deep
            self._problem = type(error).__name__
        except asyncio.CancelledError:
            self._next_try = tried_before  # ended with its loop, not failed: the next one asks at once
            raise
        finally:
            here.fetching = None

    async def _read(self, client: httpx.AsyncClient) -> PublicKeys:
        # Nothing packed is asked for or read: a piece of it may unpack to a thousand times its size.
        headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
        body = bytearray()
        async with client.stream("GET", self._url, headers=headers, follow_redirects=False, timeout=_TIMEOUT) as answer:
            if answer.status_code != httpx.codes.OK:
                raise KeyFormError(f"The request for the key set was answered {answer.status_code}.")
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise KeyFormError("The key set came compressed, though that was not asked for.")
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _LARGEST:
                    raise KeyFormError(f"A key set has at most {_LARGEST} bytes.")
        keys = PublicKeys.from_jwks(msgspec.json.decode(bytes(body), type=dict[str, Any]))
        if not keys.jwks()["keys"]:
            raise KeyFormError("The key set holds no key to verify access tokens with.")
        return keys

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else time.monotonic() - self._fetched_at

    def _fresh(self) -> bool:
        return self._age() < self._max_age

    def _usable(self) -> bool:
        return self._age() < self._max_age + KEPT_WITHOUT_ISSUER_SECONDS


class RemoteAccessTokenVerifier:
    """`AccessTokenVerifier` over a remote key set.

    Args:
        keys: where the issuer publishes.
        issuer: the one `iss` that is accepted.
        audience: the `aud` that must be named.
    """

    def __init__(self, keys: RemoteKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._verifier = AccessTokenVerifier(keys, issuer=issuer, audience=audience)

    async def verify(self, text: str, *, now: float | None = None) -> AccessToken:
        """Return what the token says, if it is genuine, for here and in force.

        Args:
            text: the token as presented, without `Bearer`.
            now: Unix seconds; the clock's, unless told.

        Raises:
            AccessTokenError: with the code and what is wrong.
            KeysUnavailableError: the issuer's keys cannot be fetched.
        """
        await self._keys.prepare(text)
        return self._verifier.verify(text, now=now)
