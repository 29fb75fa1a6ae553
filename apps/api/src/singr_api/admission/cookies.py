"""The cookies that a browser keeps a session in: their names, what they say, and how they are read (RFC 6265bis).

Both prefixes are enforced by browsers: `__Host-` cookies come from this very host over TLS, never from a neighbouring
subdomain; `__Secure-` cookies, which may have a narrower path, at least over TLS. Browsers count localhost as TLS.
"""

from collections.abc import Mapping
from typing import Final, Literal

from singr_config import Secret

ACCESS: Final = "__Host-singr_access"
REFRESH: Final = "__Secure-singr_refresh"
DEVICE: Final = "__Secure-singr_device"
CSRF: Final = "__Host-singr_csrf"
AUTH_PATH: Final = "/v1/auth"

_COOKIE: Final = b"cookie"
_PATHS: Final = {ACCESS: "/", CSRF: "/", REFRESH: AUTH_PATH, DEVICE: AUTH_PATH}
_SAME_SITE: Final[Mapping[str, Literal["Lax", "Strict"]]] = {
    ACCESS: "Lax",
    CSRF: "Strict",
    REFRESH: "Strict",
    DEVICE: "Strict",
}


def cookies_named(headers: Mapping[bytes, bytes], name: str) -> list[str]:
    """Return every value that this cookie comes with: more than one is a caller that nobody should believe."""
    wanted = name.encode()
    values = []
    for pair in headers.get(_COOKIE, b"").split(b";"):
        key, equals, value = pair.strip().partition(b"=")
        if equals and key == wanted:
            values.append(value.decode("latin-1"))
    return values


def set_cookie(name: str, value: Secret, *, max_age: int) -> tuple[bytes, bytes]:
    """Return the header that sets a cookie for `max_age` seconds."""
    return b"set-cookie", f"{name}={value.reveal()}; {_attributes(name, max_age)}".encode("ascii")


def drop_cookie(name: str) -> tuple[bytes, bytes]:
    """Return the header that makes a browser forget a cookie."""
    return b"set-cookie", f"{name}=; {_attributes(name, 0)}".encode("ascii")


def _attributes(name: str, max_age: int) -> str:
    script = "" if name == CSRF else "; HttpOnly"
    return f"Path={_PATHS[name]}; Max-Age={max_age}; Secure; SameSite={_SAME_SITE[name]}{script}"
