"""Addresses of another Singr, judged when they are given and not when the first caller comes."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from singr_config.extras import extra

with extra("singr-auth", "httpx"):
    import httpx

_HOST: Final = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+")  # a name, in any alphabet, or an address


def check_address(url: str, what: str, *, allow_http: bool, query: bool = True) -> None:
    """Return if requests may be sent there.

    Args:
        url: as it was given.
        what: it is, to begin an error with.
        allow_http: trust the network to it.
        query: whether it may have one; not where paths are added to it.

    Raises:
        ValueError: says what would be right, and holds nothing of the address, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 — reading it checks it
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise ValueError(f"{what} is a whole one, such as https://api.example/keys.") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError(f"{what} begins with https:// and names a host.")
    if not _HOST.fullmatch(host) or any(not one.isprintable() or one.isspace() for one in url):
        raise ValueError(f"{what} has no spaces, and a host of letters, digits, hyphens and dots.")
    if parts.username is not None or "#" in url or ("?" in url and not query):
        kept = "user name" if parts.username is not None else "fragment (#)" if "#" in url else "query (?)"
        raise ValueError(f"{what} has no {kept}.")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(f"{what} must begin with https://: anybody who alters it in transit could sign tokens.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
