"""Routes of the documentation."""

from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, Router, get

from singr_api.documentation.document import as_json, as_yaml, openapi_document

# The page's own files only: nothing is loaded from anywhere else, and no script stands in the page itself.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
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
async def page() -> Response[bytes]:
    """The page."""
    return _file("page.html", "text/html", {"content-security-policy": _CSP})


@get("/schema/page.js")
async def script() -> Response[bytes]:
    """Its script."""
    return _file("page.js", "text/javascript")


@get("/schema/samples.js")
async def samples() -> Response[bytes]:
    """The samples in it."""
    return _file("samples.js", "text/javascript")


@get("/schema/try.js")
async def try_it() -> Response[bytes]:
    """Its form to try a route."""
    return _file("try.js", "text/javascript")


@get("/schema/page.css")
async def style() -> Response[bytes]:
    """Its style."""
    return _file("page.css", "text/css")


@get("/schema/openapi.json")
async def openapi_json(request: AnyRequest) -> Response[bytes]:
    """The document as JSON."""
    return Response(_json(_server(request)), media_type="application/json", headers={"cache-control": _CACHE})


@get("/schema/openapi.yaml")
async def openapi_yaml(request: AnyRequest) -> Response[bytes]:
    """The document as YAML."""
    return Response(_yaml(_server(request)), media_type="application/yaml", headers={"cache-control": _CACHE})


router = Router("/", route_handlers=[root, docs, page, script, samples, try_it, style, openapi_json, openapi_yaml])


def _lead() -> Response[bytes]:
    headers = {"location": "/schema", "link": _DOCUMENTED, "cache-control": _CACHE}
    return Response(b"", status_code=302, media_type="text/html", headers=headers)


def _server(request: AnyRequest) -> str:
    address: str = request.app.state.url_api
    return address


@cache
def _json(server: str) -> bytes:
    return as_json(openapi_document(server=server))


@cache
def _yaml(server: str) -> bytes:
    return as_yaml(openapi_document(server=server))


@cache
def _content(name: str) -> bytes:
    return (files("singr_api.documentation") / "assets" / name).read_bytes()


def _file(name: str, media_type: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(_content(name), media_type=media_type, headers={"cache-control": _CACHE, **(headers or {})})
