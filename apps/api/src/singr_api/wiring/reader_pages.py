"""The pages that links in mails lead their readers to, by a token: one shell, and headers that let nothing else in."""

import re
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from litestar import Response

from singr_api.http.edge import READER_PAGES, Scope
from singr_api.http.negotiation import preferred
from singr_api.http.problems import CONTENT_TYPE as _PROBLEM
from singr_api.routing.route import Answer
from singr_api.wiring.brand import branded, icon_source
from singr_api.wiring.reader_words import Words, words_for
from singr_api.wiring.services import Services
from singr_comms.notifications import LOGOS, is_fit_name
from singr_comms.people import Sender
from singr_config import BrandSettings

_CSP: Final = Template(
    "default-src 'none'; style-src 'self'; img-src 'self' $icons; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
_TOKEN: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 400,
    "description": "The token from a link in a mail, or from `POST /v1/me/preferences/link`.",
    "examples": ["A" * 108],
}
_NAMED: Final = re.compile(r"\{([a-z]+)\}")
_NOT_FOUND: Final = 404
_NO_FORM: Final = frozenset({400, 413, 415, 422})  # broken, too large, packed in another way, or another one
_LOST: Final = {"expired": "expired", "revoked": "former"}
PAGE: Final = Answer("The page.", media="text/html")
BY_TOKEN: Final[dict[str, Any]] = {"path_schemas": {"token": _TOKEN}}
"""Of a route, how its `token` is documented."""


@cache
def _shell(brand: BrandSettings) -> str:
    return branded((files("singr_api.wiring") / "reader_page.html").read_text("utf-8"), brand, html=True)


def reader_page(
    services: Services, words: Words, title: str, content: str, sender: Sender, *, category: str = ""
) -> Response[bytes]:
    """Answer a page.

    Args:
        services: have the brand.
        words: the reader's language.
        title: in HTML.
        content: in HTML; `{sender}` and `{category}` in it stand for these.
        sender: who sends the mails: the page is marked by their brand, and by ours where they have none; a name that no
            brand could have stands nowhere.
        category: what the mails are about, in words.
    """
    brand = escape(sender.brand or services.brand.name, quote=True)
    name = sender.brand or sender.name
    if name is None or not (sender.brand or is_fit_name(name, services.own_names)):
        name = words["sender"]
    told = {
        "lang": words.lang,
        "dir": words.dir,
        "title": title,
        "brand": brand,
        "mark": _mark(sender, brand),
        "category": f"<strong><bdi>{escape(category, quote=True)}</bdi></strong>",
        "sender": f"<bdi>{escape(name, quote=True)}</bdi>",
    }
    page = _shell(services.brand).replace("{content}", content)
    page = _NAMED.sub(lambda found: told.get(found[1], found[0]), page)  # once: no name is looked for in another
    return Response(page.encode(), media_type="text/html", headers=page_headers(services.brand))


def page_headers(brand: BrandSettings) -> dict[str, str]:
    """The headers of every such page."""
    return {
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "content-security-policy": _CSP.substitute(icons=icon_source(brand)),
    }


def fault_page(services: Services, scope: Scope, status: int, code: str) -> tuple[dict[str, str], bytes] | None:
    """What a reader is shown in place of a problem: its headers and itself; None where they wanted no page.

    Args:
        services: have the brand.
        scope: the request.
        status: that it is answered with.
        code: of the first thing that is wrong; empty where nothing is named.
    """
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    is_page = scope["path"].startswith(READER_PAGES)
    if not is_page or preferred(headers.get("accept", ""), (_PROBLEM, "text/html")) == _PROBLEM:
        return None
    words = words_for(None, headers.get("accept-language"))
    why = "no_form" if status in _NO_FORM else _LOST.get(code, "no_link") if status == _NOT_FOUND else "later"
    content = f'<h1>{words[why]}</h1>\n<p role="alert">{words[f"{why}_more"]}</p>\n'
    page = reader_page(services, words, words[why], content, Sender())
    return page_headers(services.brand), page.content


def _mark(sender: Sender, brand: str) -> str:
    """What stands at the top of a page, in HTML: a logo in place of the name, as in mails."""
    if sender.logo_id is None:
        return f"<bdi>{brand}</bdi>"
    size = f'width="{sender.logo_width}" height="{sender.logo_height}"'
    return f'<img src="{LOGOS}{sender.logo_id}" {size} alt="{brand}">'
