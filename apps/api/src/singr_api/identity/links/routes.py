"""Routes of the pages that links in messages lead to. Opening one uses nothing up: its script posts on a click."""

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from litestar import Response

from singr_api.routing.route import Answer, Section
from singr_api.wiring.brand import branded, icon_source
from singr_api.wiring.services import Services
from singr_config import BrandSettings

# The page's own files only, and nothing that could hand the token in its address on to anybody.
_CSP: Final = Template(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src $icons;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
_PAGE_HEADERS: Final = {"cache-control": "no-store", "cross-origin-opener-policy": "same-origin"}
_ASSET_HEADERS: Final = {"cache-control": "public, max-age=300"}
# Whoever knows an address may have such a link sent to it; of the others, only who made them can make new ones.
_SENT_ANEW: Final = {
    "verify-email": "/v1/auth/email/resend",
    "reset-password": "/v1/auth/password/forgot",
    "magic": "/v1/auth/magic-link",
}
_CUSTOMERS: Final = frozenset({"invitation"})
_TITLES: Final = {
    "verify-email": "Confirm your e-mail address",
    "change-email": "Change your e-mail address",
    "undo-email-change": "Take your account back",
    "reset-password": "Choose a new password",
    "magic": "Sign in",
    "invitation": "Join",
}

pages = Section(
    "Pages",
    note="For people. Its script reads `token` from the page's address, and posts it when a button is pressed:"
    " opening the page consumes nothing. Messages link to `APP_URL_WEB` and `APP_URL_CUSTOMER`; these pages are for"
    " installations where that is this API itself.",
)
assets = Section("Pages")
_PAGE: Final = Answer("The page.", media="text/html")


def _declare(page: str, path: str, name: str, does: str) -> None:
    async def show(services: Services) -> Response[bytes]:
        return _page(page, services)

    show.__doc__ = f"Page: {does}."
    pages.route(f"GET {path}", name, _PAGE)(show)


_declare("verify-email", "/verify-email", "verifyEmailPage", "confirm an e-mail address")
_declare("change-email", "/change-email", "changeEmailPage", "confirm a new e-mail address")
_declare("undo-email-change", "/undo-email-change", "undoEmailChangePage", "undo a change of address")
_declare("reset-password", "/reset-password", "resetPasswordPage", "choose a new password")
_declare("magic", "/auth/magic", "magicLinkPage", "sign in by link")
_declare("invitation", "/invitation", "invitationPage", "join an organization")


@assets.route("GET /links/page.js", "linksScript", Answer("The page.", media="text/javascript", sends=_ASSET_HEADERS))
async def script() -> bytes:
    """The pages' script."""
    return _asset("page.js").encode()


@assets.route("GET /links/page.css", "linksStyle", Answer("The page.", media="text/css", sends=_ASSET_HEADERS))
async def style(services: Services) -> bytes:
    """The pages' style."""
    return branded(_asset("page.css"), services.brand).encode()


@cache
def _asset(name: str) -> str:
    return (files("singr_api.identity.links") / "assets" / name).read_text(encoding="utf-8")


@cache
def _content(page: str, app: str, brand: BrandSettings) -> bytes:
    content = _asset(f"{page}.html").replace("{second_factor}", _asset("second-factor.html"))
    path = _SENT_ANEW.get(page)
    again = f'<a class="way" id="new-link" href="#anew" data-path="{path}">Send me a new link</a>\n' if path else ""
    shell = _asset("shell.html").replace("{title}", _TITLES[page]).replace("{page}", page)
    shell = shell.replace("{content}", content).replace("{again}", again)
    shell = shell.replace("{anew}", _asset("anew.html") if path else "")
    return branded(shell, brand, html=True).replace("{app}", escape(app, quote=True)).encode()


def _page(page: str, services: Services) -> Response[bytes]:
    app = services.sites.url_customer if page in _CUSTOMERS else services.sites.url_web
    policy = _CSP.substitute(icons=icon_source(services.brand))
    headers = {**_PAGE_HEADERS, "content-security-policy": policy}
    return Response(_content(page, app, services.brand), media_type="text/html", headers=headers)
