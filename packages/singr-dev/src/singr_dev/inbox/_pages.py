"""The HTTP side: lists and shows mails.

A mail is hostile text: it is shown in a frame in which nothing of it runs or is sent, and which a followed link leaves.
"""

import base64
import hashlib
import re
import time
from html import escape
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from singr_dev._serving import Application, Receive, Scope, Send
from singr_dev.inbox._store import Mail, MailStore

# Makes the frame as tall as the mail in it; the mail itself may run nothing, so the page has to look.
_FIT: Final = """
const fit = (frame) => {
  const root = frame.contentDocument?.documentElement;
  if (!root) return;
  frame.style.height = "0";
  const bar = root.scrollWidth > root.clientWidth ? 18 : 0;
  frame.style.height = `${root.scrollHeight + bar + 2}px`;
};
const all = () => document.querySelectorAll("iframe").forEach(fit);
document.addEventListener("load", all, true);
addEventListener("load", all);
addEventListener("resize", all);
"""
_FIT_HASH: Final = base64.b64encode(hashlib.sha256(_FIT.encode()).digest()).decode()
# the page runs that one script and loads nothing from elsewhere
_PAGE_POLICY: Final = (
    f"default-src 'none'; script-src 'sha256-{_FIT_HASH}'; style-src 'unsafe-inline'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)
# What a mail may do: have its links open in tabs of their own, which are ordinary ones. No script, no form, no way to
# navigate the page around it. `allow-same-origin` lets the page measure it; it is worth nothing to what runs no script.
# The frame's attribute and the policy's directive both apply, and what either withholds is withheld.
_MAY: Final = "allow-popups allow-popups-to-escape-sandbox allow-same-origin"
_MAIL_POLICY: Final = (
    f"sandbox {_MAY}; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_COMMON: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_LOCAL_NAMES: Final = {"127.0.0.1", "localhost", "[::1]"}
# Links without a target of their own would open in the frame, where no site lets itself be shown.
_NEW_TAB: Final = '<base target="_blank">'
_DOCTYPE: Final = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_STYLE: Final = """
:root { scrollbar-gutter: stable; color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; }
body { padding: 1.5rem clamp(.75rem, 3vw, 1.5rem); }
h1 { font-size: 1.25rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
a { color: inherit; text-decoration: none; } a:hover, pre a { text-decoration: underline; }
ol { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
li a { display: grid; gap: .1rem 1rem; padding: .6rem .25rem; }
li a { grid-template-columns: 9rem minmax(0, 1fr) minmax(0, 2fr); }
li { border-bottom: 1px solid var(--line); }
li span, li strong, dd { overflow-wrap: anywhere; min-width: 0; }
time, dt, .quiet { opacity: .7; }
dl { display: grid; grid-template-columns: 5rem minmax(0, 1fr); gap: .15rem 1rem; margin: 0 0 1rem; }
dd { margin: 0; }
iframe { display: block; width: 100%; height: 34rem; margin: 0 0 1.5rem; background: #fff padding-box; }
iframe, pre { border: 1px solid var(--line); border-radius: .5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: 1rem; }
@media (max-width: 40rem) {
  li a { grid-template-columns: minmax(0, 1fr); }
  li strong { order: -1; }
}
"""


def _page(title: str, body: str, status: int = 200) -> Response:
    document = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>{body}</html>'
    )
    return HTMLResponse(
        document, status, {"Content-Security-Policy": _PAGE_POLICY, "X-Frame-Options": "DENY", **_COMMON}
    )


def _clock(mail: Mail) -> str:
    return time.strftime("%d %b %H:%M:%S", time.localtime(mail.received_at))


def _list(mails: list[Mail]) -> Response:
    rows = "".join(
        f'<li><a href="/mail/{mail.id}"><time>{_clock(mail)}</time><span>{escape(mail.to)}</span>'
        f"<strong>{escape(mail.subject)}</strong></a></li>"
        for mail in reversed(mails)
    )
    body = f"<ol>{rows}</ol>" if rows else '<p class="quiet">Nothing has arrived yet. Try <code>make try</code>.</p>'
    return _page("Inbox", f"<h1>Inbox ({len(mails)})</h1>{body}")


def _show(mail: Mail) -> Response:
    facts = {"From": mail.sender, "To": mail.to, "Arrived": _clock(mail)}
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    frame = f'<iframe sandbox="{_MAY}" title="Mail" src="/mail/{mail.id}/html"></iframe>' if mail.html else ""
    text = f"<h1>Plain text</h1><pre>{_linked(mail.text)}</pre>" if mail.text else ""
    links = f'<p class="quiet"><a href="/">Inbox</a> · <a href="/mail/{mail.id}/raw">Source</a></p>'
    return _page(
        mail.subject, f"{links}<h1>{escape(mail.subject)}</h1><dl>{listed}</dl>{frame}{text}<script>{_FIT}</script>"
    )


def _linked(text: str) -> str:
    """Plain text as HTML, with its web addresses as links."""
    shown, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = escape(found[0])
        shown += [
            escape(text[end : found.start()]),
            f'<a href="{address}" target="_blank" rel="noreferrer">{address}</a>',
        ]
        end = found.end()
    return "".join([*shown, escape(text[end:])])


def _framed(html: str) -> str:
    """The mail, whose links open in tabs of their own unless they say otherwise."""
    start = found.end() if (found := _DOCTYPE.match(html)) else 0
    return f"{html[:start]}{_NEW_TAB}{html[start:]}"


class _Pages:
    def __init__(self, store: MailStore) -> None:
        self._store = store

    def _found(self, request: Request) -> Mail:
        mail = self._store.get(request.path_params["id"])
        if mail is None:
            raise HTTPException(404, "no such mail")
        return mail

    async def index(self, _request: Request) -> Response:
        return _list(self._store.all())

    async def show(self, request: Request) -> Response:
        return _show(self._found(request))

    async def html(self, request: Request) -> Response:
        shown = _framed(self._found(request).html)
        return HTMLResponse(shown, headers={"Content-Security-Policy": _MAIL_POLICY, **_COMMON})

    async def raw(self, request: Request) -> Response:
        return Response(self._found(request).raw, media_type="text/plain; charset=utf-8", headers=_COMMON)

    async def listed(self, _request: Request) -> Response:
        return JSONResponse({"messages": [mail.summary() for mail in reversed(self._store.all())]}, headers=_COMMON)

    async def detailed(self, request: Request) -> Response:
        return JSONResponse(self._found(request).details(), headers=_COMMON)


def application(store: MailStore) -> Application:
    """The ASGI application over `store`: pages at `/` and `/mail/{id}`, JSON at `/api/messages` and below."""
    pages = _Pages(store)
    app = Starlette(
        routes=[
            Route("/", pages.index),
            Route("/mail/{id}", pages.show),
            Route("/mail/{id}/html", pages.html),
            Route("/mail/{id}/raw", pages.raw),
            Route("/api/messages", pages.listed),
            Route("/api/messages/{id}", pages.detailed),
        ]
    )

    async def local_only(scope: Scope, receive: Receive, send: Send) -> None:
        # a page elsewhere could point a name of its own at 127.0.0.1 and read mails: only our own names are answered
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in _LOCAL_NAMES:
            await Response("this inbox is for this machine only", 421)(scope, receive, send)
            return
        await app(scope, receive, send)

    return local_only
