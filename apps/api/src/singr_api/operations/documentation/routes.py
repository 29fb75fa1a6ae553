"""Routes of the documentation."""

from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from litestar import Request, Response, Router, get

from singr_api.operations.documentation.document import as_json, as_yaml, openapi_document
from singr_api.wiring.brand import branded, icon_source
from singr_api.wiring.installation import services_of
from singr_config import BrandSettings

# The page's own files only: nothing is loaded from anywhere else, and no script stands in the page itself.
_CSP = Template(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' $icons;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCUMENTED = '</schema>; rel="service-doc", </schema/openapi.json>; rel="service-desc"'  # RFC 8631
_CACHE = "public, max-age=300"

AnyRequest = Request[Any, Any, Any]


@get("/")
async def root() -> Response[bytes]:
    """Lead to the page."""
    return _lead()


@get("/docs")
async def docs() -> Response[bytes]:
    """Lead to the page."""
    return _lead()


@get("/schema")
async def page(request: AnyRequest) -> Response[bytes]:
    """The page."""
    brand = _brand(request)
    policy = {"content-security-policy": _CSP.substitute(icons=icon_source(brand))}
    return _answer(branded(_text("page.html"), brand, html=True), "text/html", policy)


@get("/schema/page.js")
async def script() -> Response[bytes]:
    """Its script."""
    return _answer(_text("page.js"), "text/javascript")


@get("/schema/samples.js")
async def samples() -> Response[bytes]:
    """The samples in it."""
    return _answer(_text("samples.js"), "text/javascript")


@get("/schema/try.js")
async def try_it() -> Response[bytes]:
    """Its form to try a route."""
    return _answer(_text("try.js"), "text/javascript")


@get("/schema/page.css")
async def style(request: AnyRequest) -> Response[bytes]:
    """Its style."""
    return _answer(branded(_text("page.css"), _brand(request)), "text/css")


@get("/schema/openapi.json")
async def openapi_json(request: AnyRequest) -> Response[bytes]:
    """The document as JSON."""
    return Response(
        _json(_server(request), _brand(request)), media_type="application/json", headers={"cache-control": _CACHE}
    )


@get("/schema/openapi.yaml")
async def openapi_yaml(request: AnyRequest) -> Response[bytes]:
    """The document as YAML."""
    return Response(
        _yaml(_server(request), _brand(request)), media_type="application/yaml", headers={"cache-control": _CACHE}
    )


router = Router("/", route_handlers=[root, docs, page, script, samples, try_it, style, openapi_json, openapi_yaml])


def _lead() -> Response[bytes]:
    headers = {"location": "/schema", "link": _DOCUMENTED, "cache-control": _CACHE}
    return Response(b"", status_code=302, media_type="text/html", headers=headers)


def _server(request: AnyRequest) -> str:
    return services_of(request).address


@cache
def _json(server: str, brand: BrandSettings) -> bytes:
    return as_json(openapi_document(server=server, brand=brand))


@cache
def _yaml(server: str, brand: BrandSettings) -> bytes:
    return as_yaml(openapi_document(server=server, brand=brand))


def _brand(request: AnyRequest) -> BrandSettings:
    return services_of(request).brand


@cache
def _text(name: str) -> str:
    return (files("singr_api.operations.documentation") / "assets" / name).read_text(encoding="utf-8")


def _answer(text: str, media_type: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(text.encode(), media_type=media_type, headers={"cache-control": _CACHE, **(headers or {})})
