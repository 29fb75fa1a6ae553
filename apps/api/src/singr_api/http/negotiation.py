"""Which forms of answer a caller accepts, and which of several it likes best (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from singr_api.http.problems import NOT_ACCEPTABLE, header_refused

_ALWAYS = frozenset({b"*/*", b"application/json", b""})
# Problems are JSON, too: who admits those alone reads the answers by the same means.
_JSON = frozenset({"application/json", "application/problem+json"})
_ALSO = {
    "/.well-known/jwks.json": frozenset({"application/jwk-set+json"}),  # RFC 7517, 8.5.2
    "/v1/notifications/preview": frozenset({"text/html"}),  # the page of a mail
}


def check_accepts_json(accept: bytes, path: str = "") -> None:
    """Return if the header Accept admits application/json, or what else a path's answer may be called.

    Raises:
        Problem: it does not (406).
    """
    if accept in _ALWAYS:
        return
    told, also = _ranges(accept.decode("latin-1")), _ALSO.get(path, frozenset())
    if not any(_quality(told, form) > 0 for form in _JSON | also):
        forms = " or ".join(["application/json", *sorted(also)])
        raise header_refused(NOT_ACCEPTABLE, "accept", f"must admit {forms}", "unsupported")


def preferred(accept: str, offers: Sequence[str]) -> str:
    """Return the offer that an Accept header likes best; the first of those it likes alike, or where it admits none.

    Args:
        accept: the header; empty where there is none.
        offers: media types, in our order.
    """
    told = _ranges(accept)
    return max(offers, key=lambda offer: _quality(told, offer))


def _ranges(accept: str) -> dict[str, float]:
    """Return the ranges of a header with how much each is liked, from 0 to 1."""
    told: dict[str, float] = {}
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
        told[kind] = max(told.get(kind, 0.0), _number(weights[0]) if weights else 1.0)
    return told


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _quality(told: dict[str, float], form: str) -> float:
    """The most specific range that fits a form decides on it."""
    ranges = (form, f"{form.partition('/')[0]}/*", "*/*")
    return next((told[kind] for kind in ranges if kind in told), 0.0)
