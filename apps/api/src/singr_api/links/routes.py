"""Routes of the pages that links in messages lead to. Opening one uses nothing up: its script posts on a click."""

from functools import cache
from importlib.resources import files
from typing import Final

from litestar import Response, Router, get

# The page's own files only, and nothing that could hand the token in its address on to anybody.
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
_PAGE_HEADERS: Final = {
    "content-security-policy": _CSP,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
}
_ASSET_HEADERS: Final = {"cache-control": "public, max-age=300"}
_TITLES: Final = {
    "verify-email": "Confirm your e-mail address",
    "change-email": "Change your e-mail address",
    "undo-email-change": "Take your account back",
    "reset-password": "Choose a new password",
    "magic": "Sign in",
    "invitation": "Join",
}


@get("/verify-email")
async def verify_email() -> Response[bytes]:
    """Confirm an e-mail address."""
    return _page("verify-email")


@get("/change-email")
async def change_email() -> Response[bytes]:
    """Confirm a new e-mail address, in the session that asked for it."""
    return _page("change-email")


@get("/undo-email-change")
async def undo_email_change() -> Response[bytes]:
    """Take an account back to its address of before."""
    return _page("undo-email-change")


@get("/reset-password")
async def reset_password() -> Response[bytes]:
    """Choose a new password."""
    return _page("reset-password")


@get("/auth/magic")
async def magic() -> Response[bytes]:
    """Sign in by link."""
    return _page("magic")


@get("/invitation")
async def invitation() -> Response[bytes]:
    """Join an organization."""
    return _page("invitation")


@get("/links/page.js")
async def script() -> Response[bytes]:
    """The pages' script."""
    return Response(_asset("page.js").encode(), media_type="text/javascript", headers=_ASSET_HEADERS)


@get("/links/page.css")
async def style() -> Response[bytes]:
    """The pages' style."""
    return Response(_asset("page.css").encode(), media_type="text/css", headers=_ASSET_HEADERS)


router = Router(
    "/",
    route_handlers=[verify_email, change_email, undo_email_change, reset_password, magic, invitation, script, style],
)


@cache
def _asset(name: str) -> str:
    return (files("singr_api.links") / "assets" / name).read_text(encoding="utf-8")


@cache
def _content(page: str) -> bytes:
    content = _asset(f"{page}.html").replace("{second_factor}", _asset("second-factor.html"))
    shell = _asset("shell.html").replace("{title}", _TITLES[page]).replace("{page}", page)
    return shell.replace("{content}", content).encode()


def _page(page: str) -> Response[bytes]:
    return Response(_content(page), media_type="text/html", headers=_PAGE_HEADERS)
