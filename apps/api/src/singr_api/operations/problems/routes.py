"""Pages that explain each kind of problem: as HTML, as text and as JSON, by `Accept`."""

from string import Template
from typing import Final

from litestar import Response

from singr_api.admission.browser import AnyRequest
from singr_api.http.kinds import INVALID, KINDS, NOT_FOUND, UNAUTHENTICATED, Kind
from singr_api.http.negotiation import preferred
from singr_api.http.problems import FieldError, refused
from singr_api.operations.problems.pages import (
    ProblemIndex,
    ProblemPage,
    as_html,
    as_json,
    as_text,
    missing_as_html,
    page_of,
)
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.brand import icon_source
from singr_api.wiring.services import Services
from singr_config import BrandSettings

problems = Section(
    "Documentation",
    json=False,
    note="The `type` of a problem document refers to one of these. As HTML, plain text or JSON, depending on"
    " `Accept`; plain text without it.",
)
_BY_SLUG: Final = {kind.slug: kind for kind in KINDS}
_HTML: Final = "text/html"
_TEXT: Final = "text/plain"
_FORMS: Final = (_TEXT, _HTML, "application/json", "application/problem+json")
_CSP: Final = Template(
    "default-src 'none'; style-src 'self'; img-src $icons; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SLUG: Final = {
    "type": "string",
    "enum": list(_BY_SLUG),
    "examples": [INVALID.slug],
    "description": "The last part of a problem's `type`.",
}


@problems.route("GET /problems", "problems", Answer("The list.", of=ProblemIndex, also=(_HTML, _TEXT)))
async def index(request: AnyRequest, services: Services) -> Response[bytes]:
    """List every kind of problem, and every code."""
    return _answer(request, services.brand, None)


@problems.route(
    "GET /problems/{slug}",
    "problem",
    Answer(
        "What it means, and what to do.",
        of=ProblemPage,
        also=(_HTML, _TEXT),
        unauthenticated=Example(UNAUTHENTICATED.title, page_of(UNAUTHENTICATED)),
    ),
    path_schemas={"slug": _SLUG},
)
async def problem(request: AnyRequest, services: Services, slug: str) -> Response[bytes]:
    """Explain one kind of problem, and what to do."""
    kind = _BY_SLUG.get(slug)
    if kind is not None:
        return _answer(request, services.brand, kind)
    if _form(request) == _HTML:
        return _page(missing_as_html(services.brand), _HTML, services.brand, status=NOT_FOUND.status)
    error = FieldError("slug", "must name a kind of problem: /problems lists them", "path", "not_found")
    raise refused(NOT_FOUND, error, "There is no kind of problem with this name.")


def _form(request: AnyRequest) -> str:
    return preferred(request.headers.get("accept", ""), _FORMS)


def _answer(request: AnyRequest, brand: BrandSettings, kind: Kind | None) -> Response[bytes]:
    form = _form(request)
    body = as_html(kind, brand) if form == _HTML else as_text(kind) if form == _TEXT else as_json(kind)
    return _page(body, form, brand)


def _page(body: bytes, form: str, brand: BrandSettings, *, status: int = 200) -> Response[bytes]:
    policy = _CSP.substitute(icons=icon_source(brand))
    headers = {"cache-control": "public, max-age=300", "vary": "accept", "content-security-policy": policy}
    return Response(body, status_code=status, media_type=form, headers=headers)
