"""The HTTP side: lists and shows mails. A mail is hostile text: it is shown in a frame that may do nothing."""

import time
from html import escape

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from singr_dev._serving import Application, Receive, Scope, Send
from singr_dev.inbox._store import Mail, MailStore

# the page itself runs no script and loads nothing from elsewhere
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'self'"
# the mail: pictures and styles only, no script, no form, no top-level navigation, an origin of its own
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "img-src data: https:; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'"
)
_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1.5rem; }
h1 { font-size: 1.25rem; margin: 0 0 1rem; }
a { color: inherit; text-decoration: none; } a:hover { text-decoration: underline; }
ol { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
li a { display: grid; grid-template-columns: 9rem 1fr 2fr; gap: 1rem; padding: .6rem .25rem; }
li { border-bottom: 1px solid var(--line); }
time, dt, .quiet { opacity: .65; }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .15rem 1rem; margin: 0 0 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
iframe { width: 100%; height: 34rem; border: 1px solid var(--line); border-radius: .5rem; background: #fff; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; }
pre { border: 1px solid var(--line); border-radius: .5rem; }
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
    frame = f'<iframe sandbox title="Mail" src="/mail/{mail.id}/html"></iframe>' if mail.html else ""
    text = f"<h1>Plain text</h1><pre>{escape(mail.text)}</pre>" if mail.text else ""
    links = f'<p class="quiet"><a href="/">Inbox</a> · <a href="/mail/{mail.id}/raw">Source</a></p>'
    return _page(mail.subject, f"{links}<h1>{escape(mail.subject)}</h1><dl>{listed}</dl>{frame}{text}")


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
        return HTMLResponse(self._found(request).html, headers={"Content-Security-Policy": _MAIL_POLICY, **_COMMON})

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
