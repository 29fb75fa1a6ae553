"""Requests that a browser makes on its own account: which ones came from a page that may make them.

Three walls, each enough by itself against the common attack: cookies are `SameSite`; the browser's own word where the
request came from (`Origin`, `Sec-Fetch-Site`) must name a page of ours; and a token that only such a page can read has
to come in a header (OWASP, signed double submit: the token is an HMAC bound to the session).
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from singr_api.http.address import SCHEME
from singr_api.http.problems import CSRF_REFUSED, Problem, header_refused
from singr_config import Secret
from singr_db import Sealer

CSRF_HEADER: Final = "x-csrf-token"
_TOKEN: Final = CSRF_HEADER.encode()
_ORIGIN: Final = b"origin"
_SITE: Final = b"sec-fetch-site"
_HOST: Final = b"host"
_ORIGIN_FORM: Final = re.compile(rb"(https?)://([^/?#@:\[\]\s]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:/.*)?").fullmatch
_PORTS: Final = {b"http": 80, b"https": 443}
_CONTEXT: Final = "csrf"


class CsrfGuard:
    """Refuses what another site may have made a browser send.

    Args:
        sealer: its secret binds tokens to sessions.
        origins: web origins whose pages may call, beside the address that is called itself.
    """

    def __init__(self, sealer: Sealer, origins: Iterable[str]) -> None:
        self._sealer = sealer
        self._origins = frozenset(_plain(origin.encode()) for origin in origins) - {None}

    def token(self, session_id: UUID) -> Secret:
        """Return the token that unsafe requests of this session carry: the same for as long as the session lives."""
        return Secret(_text(self._sealer.fingerprint(str(session_id), context=_CONTEXT)))

    def check(self, headers: Mapping[bytes, bytes], session_id: UUID) -> None:
        """Return if an unsafe request that a cookie authenticates comes from a page of ours.

        Raises:
            Problem: it may come from elsewhere (403).
        """
        self.check_origin(headers)
        given = headers.get(_TOKEN, b"")
        # of secrets of before as well: a session outlives the rotation of AUTH_SECRET
        known = [_text(one).encode() for one in self._sealer.fingerprints(str(session_id), context=_CONTEXT)]
        if not any([hmac.compare_digest(given, one) for one in known]):  # noqa: C419 — all of them, in constant time
            raise _refused(
                CSRF_HEADER, "must be the csrf_token returned at sign-in: cookies alone do not authorize changes"
            )

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Return if the browser's own words do not tell that another site's page sent this.

        Raises:
            Problem: they do (403).
        """
        origin = headers.get(_ORIGIN)
        site = headers.get(_SITE, b"")
        if origin is None:
            if site in {b"cross-site", b"same-site"}:
                raise _refused("origin", "must be sent by pages of other origins")
            return
        page = _plain(origin)
        own = _plain(headers.get(SCHEME, b"") + b"://" + headers.get(_HOST, b""))
        if page is not None and (page in self._origins or page == own):
            return
        raise _refused("origin", "must be this address, or an origin listed in CORS_ORIGINS")


def _plain(origin: bytes) -> bytes | None:
    """Return scheme, host and port in one form (RFC 6454, 6.2); None for what is no web origin, such as `null`."""
    found = _ORIGIN_FORM(origin.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return b"%s://%s:%d" % (scheme, host, int(port) if port else _PORTS[scheme])


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(header: str, message: str) -> Problem:
    return header_refused(CSRF_REFUSED, header, message, "cross_site")
