"""Signed requests from httpx."""

from collections.abc import Generator

from singr_auth._signing import SigningKey, sign_request
from singr_config.extras import extra

with extra("singr-auth", "httpx"):
    import httpx


class SignedRequestAuth(httpx.Auth):
    """Sign each request that an httpx client sends, sync or async, with a new nonce each time.

    `httpx.Client(base_url=…, auth=SignedRequestAuth(SigningKey("my-service", Secret("…"))))`. A request body is read
    into memory before it is signed. A redirect is not signed anew: point the client at the final address.
    """

    requires_request_body = True

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the four headers."""
        path = request.url.raw_path.decode("ascii")
        request.headers.update(sign_request(self._key, method=request.method, path=path, body=request.content))
        yield request
