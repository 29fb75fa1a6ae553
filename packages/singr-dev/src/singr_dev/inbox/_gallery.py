"""The gallery: every type of message in every channel it travels by, with its own examples, as people will see it."""

import re
from asyncio import to_thread
from collections.abc import Callable
from html import escape, unescape
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from singr_comms import (
    DeclarationError,
    Message,
    PushEnvelope,
    message_types,
    render_email,
    render_push,
    render_sms,
    sms_segments,
)
from singr_comms.catalogue import MessageType, forget_texts
from singr_comms.providers import fcm
from singr_config import BrandSettings
from singr_dev.inbox._look import COMMON, MAIL_POLICY, MAY, facts, page
from singr_dev.inbox._scripts import FIT

_WIDTHS: Final = (800, 320)
_SCHEMES: Final = ("light", "dark")
_SAID: Final = {"email": "E-mail", "sms": "SMS", "push": "Push"}
_ASKED: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"
# The hidden text before the first words, up to the filler that keeps the rest of the mail out of it.
_HIDDEN: Final = re.compile(r"<div style=\"display:none[^>]*>(.*?)(?:&#847;|</div>)", re.DOTALL)
_TOKEN: Final = "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"  # noqa: S105 - an example of a device's
_KEY: Final = "01a21ed55458768b8f747cd5f9a69e07"
_LARGEST_PUSH: Final = 4096


class Gallery:
    """Pages of the types that this process knows: Singr's own, and those of installed distributions.

    Args:
        brand: whose messages they are.
    """

    def __init__(self, brand: Callable[[], BrandSettings]) -> None:
        self._brand = brand

    @property
    def routes(self) -> list[Route]:
        """At `/templates` and below."""
        return [
            Route("/templates", self._index),
            Route("/templates/{kind}", self._kind),
            Route("/templates/{kind}/{number:int}/html", self._html),
        ]

    async def _index(self, _request: Request) -> Response:
        known, wrong = await to_thread(_known)
        rows = "".join(
            f'<li><a href="/templates/{escape(one.name)}"><strong>{escape(one.name)}</strong>'
            f'<span class="channel">{", ".join(_SAID.get(channel, channel) for channel in one.models)}</span>'
            f"<span>{escape(_about(one))}</span></a></li>"
            for one in known
        )
        said = f'<p role="alert"><strong>{escape(wrong)}</strong></p>' if wrong else ""
        return page(
            "Templates",
            f'<p><a href="/">Inbox</a></p><main><h1>Templates</h1>{said}<ol class="kinds">{rows}</ol></main>',
        )

    async def _kind(self, request: Request) -> Response:
        return await to_thread(self._shown, _found(request))

    def _shown(self, one: MessageType) -> Response:
        forget_texts()  # somebody may have edited one: a reload shows it
        brand = self._brand()
        parts = []
        for number, (channel, message) in enumerate(one.samples()):
            try:
                words = _SHOWN[channel](one.name, number, message, brand)
            except Exception as error:  # noqa: BLE001 - whatever an edited text makes of its variables is for its author
                words = f'<p role="alert"><strong>{escape(f"{type(error).__name__}: {error}")}</strong></p>'
            parts.append(f"<section><h2>{_SAID[channel]}</h2>{words}{_variables(message)}</section>")
        links = '<p class="quiet"><a href="/">Inbox</a> · <a href="/templates">Templates</a></p>'
        said = f"<h1>{escape(one.name)}</h1><p>{escape(_about(one))}</p>"
        return page(one.name, f"{links}<main>{said}{''.join(parts)}</main><script>{FIT}</script>")

    async def _html(self, request: Request) -> Response:
        samples, number = _found(request).samples(), request.path_params["number"]
        scheme = request.query_params.get("scheme", _SCHEMES[0])
        if number >= len(samples) or samples[number][0] != "email" or scheme not in _SCHEMES:
            raise HTTPException(404, "no such example")
        html = await to_thread(lambda: render_email(samples[number][1], self._brand()).html)
        return HTMLResponse(in_scheme(html, scheme), headers={"Content-Security-Policy": MAIL_POLICY, **COMMON})


def in_scheme(html: str, scheme: str) -> str:
    """A mail as a reader with light or dark colours sees it, whatever the browser's own are."""
    return _ASKED.sub(lambda found: _ALWAYS if found[1].lower() == scheme else _NEVER, html)


def preview_of(html: str) -> str:
    """What lists of mails show behind the subject; empty where the mail has no text for it."""
    found = _HIDDEN.search(html)
    return " ".join(unescape(found[1]).split()) if found else ""


def _known() -> tuple[list[MessageType], str]:
    """All types by name, and what is wrong with one that an installed distribution declares."""
    wrong = ""
    try:
        message_types.add_installed()
    except DeclarationError as error:
        wrong = str(error)
    return sorted(message_types, key=lambda one: one.name), wrong


def _found(request: Request) -> MessageType:
    _known()
    found = message_types.named(request.path_params["kind"])
    if found is None:
        raise HTTPException(404, "no such type")
    return found


def _about(one: MessageType) -> str:
    """What its first model says of itself."""
    model = next(iter(one.models.values()))
    return (model.__doc__ or "").strip().partition("\n")[0]


def _email(kind: str, number: int, message: Message, brand: BrandSettings) -> str:
    rendered = render_email(message, brand)
    shots = "".join(
        f'<figure><figcaption>{width} pixels, {scheme}</figcaption><iframe sandbox="{MAY}" loading="lazy" '
        f'title="{width} pixels, {scheme}" src="/templates/{kind}/{number}/html?scheme={scheme}" '
        f'style="width:{width}px;color-scheme:{scheme}"></iframe></figure>'
        for scheme in _SCHEMES
        for width in _WIDTHS
    )
    known = {"Subject": rendered.subject, "Preview": preview_of(rendered.html)}
    return f'{facts(known)}<div class="shots">{shots}</div><h3>Plain text</h3><pre>{escape(rendered.text)}</pre>'


def _sms(_kind: str, _number: int, message: Message, brand: BrandSettings) -> str:
    text = render_sms(message, brand)
    size = sms_segments(text)
    parts = "1 part" if size.segments == 1 else f"{size.segments} parts"
    return f"{facts({'Size': f'{parts}, {size.encoding}'})}<pre>{escape(text)}</pre>"


def _push(_kind: str, _number: int, message: Message, brand: BrandSettings) -> str:
    rendered = render_push(message, brand)
    written = fcm.compose(PushEnvelope(to=_TOKEN, message=message, idempotency_token=_KEY), brand)
    size = len(msgspec.json.encode({name: value for name, value in written.items() if name != "token"}))
    known = {"Title": rendered.title, "Link": rendered.link or "", "Size": f"{size:,} of {_LARGEST_PUSH:,} bytes"}
    return f"{facts(known)}<pre>{escape(rendered.body)}</pre>"


def _variables(message: Message) -> str:
    said = msgspec.json.format(msgspec.json.encode(message), indent=2).decode()
    return f"<details><summary>Its variables</summary><pre>{escape(said)}</pre></details>"


_SHOWN: Final = {"email": _email, "sms": _sms, "push": _push}
