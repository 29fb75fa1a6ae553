"""What ends a command early, and the status that its process ends with."""

from enum import IntEnum
from typing import Any, Final

from singr_cli._clean import clean


class Code(IntEnum):
    """Exit statuses: what a script needs to tell apart."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOT_THERE = 4
    UNAVAILABLE = 5
    IN_PART = 6


_BY_STATUS: Final = {
    400: Code.USAGE,
    401: Code.REFUSED,
    403: Code.REFUSED,
    404: Code.NOT_THERE,
    408: Code.UNAVAILABLE,
    410: Code.NOT_THERE,
    413: Code.USAGE,
    422: Code.USAGE,
    425: Code.UNAVAILABLE,
    429: Code.UNAVAILABLE,
}
SERVER_ERRORS: Final = 500


class CliError(Exception):
    """Something that its user can do something about.

    Attributes:
        code: the status that the process ends with.
        message: what is wrong and what to do; fit for a terminal, and holds nothing secret.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_HERE: Final = {"organization_id required": " (--organization, or SINGR_ORGANIZATION)"}
"""How that is told here which programs send in a field of another name."""


def refusal(status: int, document: Any) -> CliError:
    """Return what the API answered in place of success, as sentences: a problem document (RFC 9457), or none."""
    code = _BY_STATUS.get(status, Code.UNAVAILABLE if status >= SERVER_ERRORS else Code.FAILED)
    if not isinstance(document, dict) or "title" not in document:
        return CliError(code, f"The address answers {status}, and not as Singr's API does: is it the right one?")
    # what to do after a 5xx is told programs by the detail; whoever types has no header, and is told in other words
    detail = "" if status >= SERVER_ERRORS else document.get("detail")
    lines = [f"{_sentence(document.get('title'))} {_sentence(detail)}".strip()]
    lines += [_field(error) for error in document.get("errors") or () if isinstance(error, dict)]
    if link := document.get("type"):
        lines.append(f"More: {clean(link)}")
    if request := document.get("request_id"):
        lines.append(f"Request: {clean(request)}")
    return CliError(code, "\n".join(lines))


def _field(error: dict[str, Any]) -> str:
    where = clean(error.get("location") or "")
    name = clean(error.get("field") or "") or f"the {where or 'request'}"
    how = _HERE.get(f"{error.get('field')} {error.get('code')}", "")
    return f"  {name}: {clean(error.get('message') or '')}{how}"


def _sentence(text: Any) -> str:
    cleaned = clean(text or "").strip()
    return cleaned if not cleaned or cleaned[-1] in ".!?" else f"{cleaned}."
