"""Which forms of answer a caller accepts (RFC 9110, 12.5.1)."""

from singr_api._problems import NOT_ACCEPTABLE, Problem, header_error

_ALWAYS = frozenset({b"*/*", b"application/json", b""})
_FITS = frozenset({"*/*", "application/*", "application/json"})


def check_accepts_json(accept: bytes) -> None:
    """Return if the header Accept admits application/json.

    Raises:
        Problem: it does not (406).
    """
    if accept in _ALWAYS:
        return
    best = 0.0
    rank = -1
    for item in accept.decode("latin-1").lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        if kind not in _FITS:
            continue
        precision = sorted(_FITS).index(kind)  # */* before application/* before application/json
        if precision >= rank:
            rank, best = precision, _quality(parameters)
    if best <= 0:
        message = "must admit application/json"
        error = header_error("accept", message, "unsupported")
        raise Problem(NOT_ACCEPTABLE, f"The header accept {message}.", errors=(error,))


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
