"""The documentation: the OpenAPI document, a page to read it, and what leads there."""

from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final

from litestar import Response

from singr_api.operations.documentation.document import as_json, as_yaml, openapi_document
from singr_api.routing.route import LINK, Answer, Section
from singr_api.wiring.brand import branded, icon_source
from singr_api.wiring.services import Services
from singr_config import BrandSettings

documentation = Section("Documentation", json=False)
# The page's own files only: nothing is loaded from anywhere else, and no script stands in the page itself.
_CSP: Final = Template(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' $icons;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHED: Final = {"cache-control": "public, max-age=300"}
_DOCUMENTED: Final = '</schema>; rel="service-doc", </schema/openapi.json>; rel="service-desc"'  # RFC 8631
_LEAD: Final = Answer(
    "Redirect to the documentation.",
    status=302,
    media="text/html",
    headers={"Location": "The address of the page.", **LINK},
    sends={"location": "/schema", "link": _DOCUMENTED, **_CACHED},
    bare=True,
)
_SCRIPT: Final = Answer("The document.", media="text/javascript", sends=_CACHED)


def _openapi(media: str) -> Answer:
    return Answer("The document.", of=dict[str, Any], media=media, sends=_CACHED)


def _lead(path: str, name: str) -> None:
    async def lead() -> bytes:
        return b""

    lead.__doc__ = f"""Redirect {path} to the documentation.

    Redirects to `/schema`; `Link` points programs to the documentation, too (RFC 8631).
    """
    documentation.route(f"GET {path}", name, _LEAD)(lead)


_lead("/", "root")
_lead("/docs", "docs")


@documentation.route("GET /schema", "documentation", Answer("The document.", media="text/html"))
async def page(services: Services) -> Response[bytes]:
    """This documentation as a page."""
    body = branded(_text("page.html"), services.brand, html=True).encode()
    headers = {**_CACHED, "content-security-policy": _CSP.substitute(icons=icon_source(services.brand))}
    return Response(body, media_type="text/html", headers=headers)


@documentation.route("GET /schema/openapi.json", "openapiJson", _openapi("application/json"))
async def openapi_json(services: Services) -> bytes:
    """The OpenAPI document as JSON."""
    return _json(services.address, services.brand)


@documentation.route("GET /schema/openapi.yaml", "openapiYaml", _openapi("application/yaml"))
async def openapi_yaml(services: Services) -> bytes:
    """The OpenAPI document as YAML."""
    return _yaml(services.address, services.brand)


def _script(file: str, name: str, what: str) -> None:
    async def script() -> bytes:
        return _text(file).encode()

    script.__doc__ = f"The documentation page's {what}."
    documentation.route(f"GET /schema/{file}", name, _SCRIPT)(script)


_script("page.js", "documentationScript", "script")
_script("samples.js", "documentationSamples", "samples")
_script("try.js", "documentationTry", "form to try a route")


@documentation.route(
    "GET /schema/page.css", "documentationStyle", Answer("The document.", media="text/css", sends=_CACHED)
)
async def style(services: Services) -> bytes:
    """The documentation page's style."""
    return branded(_text("page.css"), services.brand).encode()


@cache
def _json(server: str, brand: BrandSettings) -> bytes:
    return as_json(openapi_document(server=server, brand=brand))


@cache
def _yaml(server: str, brand: BrandSettings) -> bytes:
    return as_yaml(openapi_document(server=server, brand=brand))


@cache
def _text(name: str) -> str:
    return (files("singr_api.operations.documentation") / "assets" / name).read_text(encoding="utf-8")
