"""The pages that links in mails lead their readers to, by a token: one shell, and headers that let nothing else in."""

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from litestar import Response

from singr_api.routing.route import Answer
from singr_api.wiring.brand import branded, icon_source
from singr_api.wiring.reader_words import Words
from singr_api.wiring.services import Services
from singr_config import BrandSettings

_CSP: Final = Template(
    "default-src 'none'; style-src 'self'; img-src $icons; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_TOKEN: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 400,
    "description": "The token from a link in a mail, or from `POST /v1/me/preferences/link`.",
    "examples": ["A" * 108],
}
PAGE: Final = Answer("The page.", media="text/html")
BY_TOKEN: Final[dict[str, Any]] = {"path_schemas": {"token": _TOKEN}}
"""Of a route, how its `token` is documented."""


@cache
def _shell(brand: BrandSettings) -> str:
    return branded((files("singr_api.wiring") / "reader_page.html").read_text("utf-8"), brand, html=True)


def reader_page(
    services: Services, words: Words, title: str, content: str, sender: str | None, *, category: str = ""
) -> Response[bytes]:
    """Answer a page.

    Args:
        services: have the brand.
        words: the reader's language.
        title: in HTML.
        content: in HTML; `{sender}` and `{category}` in it stand for these.
        sender: who sends the mails; None where they are gone.
        category: what the mails are about, in words.
    """
    page = _shell(services.brand).replace("{lang}", words.lang).replace("{dir}", words.dir).replace("{title}", title)
    page = page.replace("{content}", content)
    page = page.replace("{category}", f"<strong><bdi>{escape(category, quote=True)}</bdi></strong>")
    page = page.replace("{sender}", f"<bdi>{escape(sender or words['sender'], quote=True)}</bdi>")
    headers = {
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "content-security-policy": _CSP.substitute(icons=icon_source(services.brand)),
    }
    return Response(page.encode(), media_type="text/html", headers=headers)
