"""The HTTP side: lists and shows messages of all channels, newest first.

A mail is hostile text: it is shown in a frame in which nothing of it runs or is sent, and which a followed link leaves.
"""

import re
from asyncio import to_thread
from collections.abc import Callable, Sequence
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from singr_dev._local import local_only
from singr_dev._serving import Application
from singr_dev.inbox._afterwards import DELAYS, afterwards, callable_back, digest, magic, outcome
from singr_dev.inbox._callbacks import Callbacks
from singr_dev.inbox._events import Item
from singr_dev.inbox._gallery import Gallery
from singr_dev.inbox._look import COMMON, MAIL_POLICY, MAY, facts, moment, page
from singr_dev.inbox._scripts import FIT, FOLLOW
from singr_dev.inbox._shorts import SHORT_CHANNELS, ShortMessage, ShortStore
from singr_dev.inbox._store import Mail, MailStore

# Links without a target of their own would open in the frame, where no site lets itself be shown.
_NEW_TAB: Final = '<base target="_blank">'
_DOCTYPE: Final = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_PATHS: Final = {"email": "mail", "sms": "sms", "push": "push"}
_SAID: Final = {"email": "E-mail", "sms": "SMS", "push": "Push"}
_SHOWN: Final = 200


def _list(shown: Sequence[Item], channel: str, *, number: int, newest: str) -> Response:
    names = {"": "All", **_SAID}
    links = "".join(
        f'<a href="/{f"?channel={name}" if name else ""}"{" aria-current=page" if name == channel else ""}>{said}</a>'
        for name, said in names.items()
    )
    rows = "".join(
        f'<li><a href="/{_PATHS[item.channel]}/{item.id}"><time>{moment(item.received_at)}</time>'
        f'<span class="channel">{_SAID[item.channel]}</span><span class="to">{escape(item.to)}</span>'
        f"<strong>{escape(item.subject) or '<i>no subject</i>'}</strong></a></li>"
        for item in shown
    )
    body = f"<ol>{rows}</ol>" if rows else '<p class="quiet">Nothing has arrived yet. Try <code>make try</code>.</p>'
    if number > len(shown):
        body += f'<p class="quiet">These are the newest {len(shown)} of {number:,}.</p>'
    return page(
        "Inbox",
        f'<header><h1>Inbox</h1><a href="/templates">Templates</a></header><nav aria-label="Channel">{links}</nav>'
        f'<main data-follow="/api/newest" data-seen="{newest}">{body}</main>{magic()}<script>{FOLLOW}</script>',
    )


def _show(item: Item, callbacks: Callbacks | None) -> Response:
    source = f' · <a href="/mail/{item.id}/raw">Source</a>' if isinstance(item, Mail) else ""
    known = {"From": item.sender, "To": item.to, "Arrived": moment(item.received_at)}
    if isinstance(item, Mail):
        known["Meant for"] = item.meant_for
    if isinstance(item, ShortMessage):
        link = item.fields.get("data", {}).get("link", "") if item.channel == "push" else ""
        known |= {"Size": item.size, "Link": link, "Id": f"{item.provider_id} (simulator of {item.provider})"}
        words = f"<pre>{_linked(item.text)}</pre>"
    else:
        frame = f'<iframe sandbox="{MAY}" title="Mail" src="/mail/{item.id}/html"></iframe>' if item.html else ""
        text = f"<h2>Plain text</h2><pre>{_linked(item.text)}</pre>" if item.text else ""
        words = f"{frame}{text}<script>{FIT}</script>"
    title = item.subject or "No subject"
    after = afterwards(item, f"/{_PATHS[item.channel]}/{item.id}", callbacks)
    return page(
        title,
        f'<p class="quiet"><a href="/">Inbox</a>{source}</p><main><h1>{escape(title)}</h1>{facts(known)}{words}{after}'
        f"</main><script>{FOLLOW}</script>",
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


def framed(html: str) -> str:
    """A mail, whose links open in tabs of their own unless they say otherwise."""
    start = found.end() if (found := _DOCTYPE.match(html)) else 0
    return f"{html[:start]}{_NEW_TAB}{html[start:]}"


class _Pages:
    def __init__(self, mails: MailStore, shorts: ShortStore, calls: Callable[[], Callbacks | None]) -> None:
        self._mails, self._shorts, self._calls = mails, shorts, calls

    def _get(self, channel: str, name: str) -> Item | None:
        found = next((one for one in SHORT_CHANNELS if one == channel), None)  # `mail` is none of them
        return self._shorts.get(found, name) if found else self._mails.get(name)

    def _newest(self, channel: str) -> list[tuple[str, str]]:
        """Id and channel of each message of a channel, or of all, newest first."""
        found = [(name, "email") for name in self._mails.ids()] if channel in {"", "email"} else []
        for one in SHORT_CHANNELS:
            if channel in {"", one}:
                found += [(name, one) for name in self._shorts.ids(one)]
        return sorted(found, reverse=True)

    def _found(self, request: Request) -> Mail:
        mail = self._mails.get(request.path_params["id"])
        if mail is None:
            raise HTTPException(404, "no such mail")
        return mail

    async def index(self, request: Request) -> Response:
        channel = _channel(request)
        newest = self._last()  # first: what arrives meanwhile is then shown by the next look
        named = self._newest(channel)
        shown = await to_thread(lambda: [item for name, of in named[:_SHOWN] if (item := self._get(of, name))])
        return _list(shown, channel, number=len(named), newest=newest)

    async def newest(self, _request: Request) -> Response:
        return PlainTextResponse(self._last(), headers=COMMON)

    def _last(self) -> str:
        """What changes when a message arrives, or all are deleted."""
        return next((name for name, _ in self._newest("")), "")

    def _item(self, request: Request) -> Item:
        """The message at an address that begins with the path of its channel."""
        item = self._get(request.url.path.split("/")[1], request.path_params["id"])
        if item is None:
            raise HTTPException(404, "no such message")
        return item

    async def item(self, request: Request) -> Response:
        return await to_thread(_show, self._item(request), self._calls())

    async def state(self, request: Request) -> Response:
        item, callbacks = self._item(request), self._calls()
        shown = await to_thread(outcome, item, callbacks) if callbacks else ""
        return PlainTextResponse(digest(shown), headers=COMMON)

    async def play(self, request: Request) -> Response:
        item, callbacks = self._item(request), self._calls()
        fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
        after = fields.get("after", "0") if callable_back(item) else "0"
        if callbacks is None or after not in DELAYS:
            raise HTTPException(400, f"after must be {' or '.join(DELAYS)}, and an API must run")
        try:
            played = await to_thread(callbacks.play, item, fields.get("event", ""), float(after))
        except LookupError as error:
            raise HTTPException(400, str(error)) from None
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"event": played.event.name, "due": played.due, "answer": played.answer})
        return RedirectResponse(f"/{_PATHS[item.channel]}/{item.id}#next", 303)

    async def html(self, request: Request) -> Response:
        shown = framed(self._found(request).html)
        return HTMLResponse(shown, headers={"Content-Security-Policy": MAIL_POLICY, **COMMON})

    async def raw(self, request: Request) -> Response:
        return Response(self._found(request).raw, media_type="text/plain; charset=utf-8", headers=COMMON)

    async def listed(self, request: Request) -> Response:
        channel = _channel(request, usual="email")
        found = [item.summary() for name, of in self._newest(channel) if (item := self._get(of, name))]
        return JSONResponse({"messages": found}, headers=COMMON)

    async def detailed(self, request: Request) -> Response:
        name = request.path_params["id"]
        item = next((found for channel in _PATHS if (found := self._get(channel, name))), None)
        if item is None:
            raise HTTPException(404, "no such message")
        return JSONResponse(item.details(), headers=COMMON)


def _channel(request: Request, *, usual: str = "") -> str:
    """The channel that is asked for; `all` and anything that is none are all of them."""
    named = request.query_params.get("channel", usual)
    return named if named in _PATHS else ""


def application(
    mails: MailStore, shorts: ShortStore, gallery: Gallery, calls: Callable[[], Callbacks | None] = lambda: None
) -> Application:
    """The ASGI application over both stores and the gallery; `calls` gives what calls back, where an API runs.

    Pages are at `/`, `/mail/{id}`, `/sms/{id}` and `/push/{id}`, JSON at `/api/messages` and below: mails, or those of
    `?channel=sms`, `push` or `all`.
    """
    pages = _Pages(mails, shorts, calls)
    app = Starlette(
        routes=[
            Route("/", pages.index),
            *(
                route
                for path in _PATHS.values()
                for route in (
                    Route(f"/{path}/{{id}}", pages.item),
                    Route(f"/{path}/{{id}}/state", pages.state),
                    Route(f"/{path}/{{id}}/callbacks", pages.play, methods=["POST"]),
                )
            ),
            Route("/mail/{id}/html", pages.html),
            Route("/mail/{id}/raw", pages.raw),
            *gallery.routes,
            Route("/api/newest", pages.newest),
            Route("/api/messages", pages.listed),
            Route("/api/messages/{id}", pages.detailed),
        ]
    )
    return local_only(app, "inbox", has_pages=True)
