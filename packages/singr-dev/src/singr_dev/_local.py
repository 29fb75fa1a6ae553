"""Keeps what is served on loopback from pages elsewhere, which a browser on this machine lets ask for it."""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from singr_dev._serving import Application, Receive, Scope, Send

_LOCAL_NAMES: Final = {"127.0.0.1", "localhost", "[::1]"}
_HARMLESS: Final = {"GET", "HEAD"}
# `none`: whoever sits at the browser asked for it, no page did.
_OWN: Final = {"same-origin", "none"}


def local_only(application: Application, name: str, *, has_pages: bool = False) -> Application:
    """`application`, answering only programs of this machine and its own pages.

    A page elsewhere could point a name of its own at 127.0.0.1 and read: only our own names are answered. Or it sends
    without reading the answer: browsers then say so, in `Sec-Fetch-Site` or, older ones, in `Origin`; programs say
    neither.

    Args:
        application: what is served.
        name: says in a refusal what this is.
        has_pages: people open it in a browser, so that a link elsewhere may lead to it; GET changes nothing in it.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused = None
        if not _is_ours(headers.get("host", "")):
            refused = _refusal(f"this {name} is for this machine only", 421)
        elif not (has_pages and scope["method"] in _HARMLESS) and _is_from_elsewhere(scope, headers):
            refused = _refusal(f"pages elsewhere may not use this {name}", 403)
        await (refused or application)(scope, receive, send)

    return guarded


def _is_ours(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.lower() in _LOCAL_NAMES


def _is_from_elsewhere(scope: Scope, headers: Headers) -> bool:
    site, own = headers.get("sec-fetch-site"), f"{scope['scheme']}://{headers['host']}".lower()
    origin = headers.get("origin", own).lower()
    # A form of our own page comes from `null`, since our pages send no referrer; then only the browser's word tells.
    is_foreign = origin != own and not (origin == "null" and site == "same-origin")
    return is_foreign or (site is not None and site not in _OWN)


def _refusal(words: str, status: int) -> Response:
    return PlainTextResponse(words, status)
