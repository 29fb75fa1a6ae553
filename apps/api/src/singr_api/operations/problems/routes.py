"""Routes of the pages about problems."""

from string import Template
from typing import Any, Final

from litestar import Request, Response, Router, get

from singr_api.http.kinds import KINDS, NOT_FOUND, Kind
from singr_api.http.preference import preferred
from singr_api.http.problems import FieldError, Problem
from singr_api.operations.problems.pages import as_html, as_json, as_text, missing_as_html
from singr_api.wiring.brand import icon_source
from singr_api.wiring.installation import services_of
from singr_config import BrandSettings

_BY_SLUG: Final = {kind.slug: kind for kind in KINDS}
_HTML: Final = "text/html"
_FORMS: Final = ("text/plain", _HTML, "application/json", "application/problem+json")
_CSP: Final = Template(
    "default-src 'none'; style-src 'self'; img-src $icons; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"cache-control": "public, max-age=300", "vary": "accept"}

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
        brand = services_of(request).brand
        return Response(missing_as_html(brand), status_code=NOT_FOUND.status, media_type=_HTML, headers=_headers(brand))
    error = FieldError("slug", "must name a kind of problem: /problems lists them", "path", "not_found")
    raise Problem(NOT_FOUND, "No kind of problem has this name.", errors=(error,))


router = Router("/", route_handlers=[index, problem])


def _answer(request: AnyRequest, kind: Kind | None) -> Response[bytes]:
    form = preferred(request.headers.get("accept", ""), _FORMS)
    brand = services_of(request).brand
    body = as_html(kind, brand) if form == _HTML else _plain(kind, form)
    return Response(body, media_type=form, headers=_headers(brand))


def _plain(kind: Kind | None, form: str) -> bytes:
    return as_text(kind) if form == "text/plain" else as_json(kind)


def _headers(brand: BrandSettings) -> dict[str, str]:
    return {**_HEADERS, "content-security-policy": _CSP.substitute(icons=icon_source(brand))}
