"""Which forms of answer a caller accepts (RFC 9110, 12.5.1)."""

from singr_api.http.problems import NOT_ACCEPTABLE, header_refused

_ALWAYS = frozenset({b"*/*", b"application/json", b""})
# Problems are JSON, too: who admits those alone reads the answers by the same means.
_JSON = frozenset({"application/json", "application/problem+json"})
_ALSO = {"/.well-known/jwks.json": frozenset({"application/jwk-set+json"})}  # RFC 7517, 8.5.2


def check_accepts_json(accept: bytes, path: str = "") -> None:
    """Return if the header Accept admits application/json, or what else a path's answer may be called.

    Raises:
        Problem: it does not (406).
    """
    if accept in _ALWAYS:
        return
    told: dict[str, float] = {}
    for item in accept.decode("latin-1").lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        told[kind] = _quality(parameters)
    for form in _JSON | _ALSO.get(path, frozenset()):
        # the most specific range that fits a form decides on it
        if next((told[kind] for kind in (form, "application/*", "*/*") if kind in told), 0.0) > 0:
            return
    raise header_refused(NOT_ACCEPTABLE, "accept", "must admit application/json", "unsupported")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
