"""Routes of the pages about problems."""

from typing import Any, Final

from litestar import Request, Response, Router, get

from singr_api._kinds import KINDS, NOT_FOUND, Kind
from singr_api._preference import preferred
from singr_api._problems import FieldError, Problem
from singr_api.problems.pages import as_html, as_json, as_text, missing_as_html

_BY_SLUG: Final = {kind.slug: kind for kind in KINDS}
_HTML: Final = "text/html"
_FORMS: Final = ("text/plain", _HTML, "application/json", "application/problem+json")
_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"cache-control": "public, max-age=300", "vary": "accept", "content-security-policy": _CSP}

AnyRequest = Request[Any, Any, Any]


@get("/problems")
async def index(request: AnyRequest) -> Response[bytes]:
    """All kinds of problems."""
    return _answer(request, None)


@get("/problems/{slug:str}")
async def problem(request: AnyRequest) -> Response[bytes]:
    """One kind of problem."""
    kind = _BY_SLUG.get(request.path_params["slug"])
    if kind is not None:
        return _answer(request, kind)
    if preferred(request.headers.get("accept", ""), _FORMS) == _HTML:
        return Response(missing_as_html(), status_code=NOT_FOUND.status, media_type=_HTML, headers=_HEADERS)
    error = FieldError("slug", "must be that of a kind of problem: /problems lists them", "path", "not_found")
    raise Problem(NOT_FOUND, "No kind of problem has this name.", errors=(error,))


router = Router("/", route_handlers=[index, problem])


def _answer(request: AnyRequest, kind: Kind | None) -> Response[bytes]:
    form = preferred(request.headers.get("accept", ""), _FORMS)
    write = {"text/plain": as_text, _HTML: as_html}.get(form, as_json)
    return Response(write(kind), media_type=form, headers=_HEADERS)
