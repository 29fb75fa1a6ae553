"""What a message's page says of afterwards: buttons, what was called back, and what the delivery log makes of it."""

from hashlib import sha256
from html import escape
from typing import Any, Final

from singr_config.clock import clock
from singr_dev.inbox._callbacks import Callbacks, Played
from singr_dev.inbox._events import MAGIC, Item, events_of
from singr_dev.inbox._look import moment
from singr_dev.inbox._store import Mail

DELAYS: Final = {"0": "now", "60": "in a minute", "600": "in ten minutes"}


def afterwards(item: Item, address: str, callbacks: Callbacks | None) -> str:
    """The part of a message's page that plays what happens to it.

    Args:
        item: the message.
        address: of its page.
        callbacks: what plays it; None where no API runs beside the inbox.
    """
    if callbacks is None:
        return ""
    events = events_of(item)
    if not events:
        return f'<section id="next"><h2>What happens next</h2><p class="quiet">{_silent(item)}</p></section>'
    rows = "".join(
        f'<li><button name="event" value="{one.name}" aria-describedby="{one.name}">{one.said}</button>'
        f'<span id="{one.name}">{escape(one.means)}</span></li>'
        for one in events
    )
    options = "".join(f'<option value="{seconds}">{said}</option>' for seconds, said in DELAYS.items())
    when = f'<p><label>When: <select name="after">{options}</select></label></p>' if callable_back(item) else ""
    shown = outcome(item, callbacks)
    return (
        f'<section id="next"><h2>What happens next</h2><form method="post" action="{address}/callbacks">{when}'
        f'<ul class="events">{rows}</ul></form>'
        f'<div data-follow="{address}/state" data-seen="{digest(shown)}" aria-live="polite">{shown}</div></section>'
    )


def callable_back(item: Item) -> bool:
    """Whether its provider tells anybody what became of it."""
    return item.channel != "push"


def outcome(item: Item, callbacks: Callbacks) -> str:
    """What was played, and what the delivery log says, as HTML."""
    played = "".join(f"<li>{_told(one)}</li>" for one in callbacks.played(item))
    called = f'<h3>So far</h3><ul class="told">{played}</ul>' if played else ""
    return called + _delivery(item, callbacks)


def digest(shown: str) -> str:
    """What changes when something else is to be shown."""
    return sha256(shown.encode()).hexdigest()[:16]


def magic() -> str:
    """Recipients that need no click, as HTML."""
    rows = "".join(f"<dt>{escape(to)}</dt><dd>{escape(what)}</dd>" for to, what in MAGIC)
    return (
        "<details><summary>Recipients that need no click: bounce@…, complain@… and others</summary>"
        "<p>Nothing is called back for any other recipient until you "
        f'press a button on the page of its message.</p><dl class="magic">{rows}</dl></details>'
    )


def _silent(item: Item) -> str:
    if isinstance(item, Mail):
        return (
            "This mail came by SMTP, which calls nobody back. Mails of the API do come with buttons while neither "
            "EMAIL_PROVIDER nor SMTP_HOST is set."
        )
    return "Nobody is called back about this message."


def _told(played: Played) -> str:
    if played.answer:
        return f"{moment(played.due)} <strong>{played.event.said}</strong>: {escape(played.answer)}"
    when = "on its way" if played.due <= clock.time() else f"due at {moment(played.due)}, unless make run ends before"
    return f"<strong>{played.event.said}</strong>: {when}"


def _delivery(item: Item, callbacks: Callbacks) -> str:
    found = callbacks.delivery(item.message_id) if item.message_id else None
    if found is None:
        return ""
    events = "".join(f"<li>{_event(one)}</li>" for one in found["events"])
    error = found.get("error")
    why = f" ({escape(error['code'])}: {escape(error['message'])})" if error else ""
    return (
        f"<h3>In the delivery log</h3><p>Status: <strong>{escape(found['status'])}</strong>{why}</p>"
        + (f'<ul class="told">{events}</ul>' if events else "")
        + f"<pre>curl -H 'x-api-key: …' '{escape(callbacks.api)}/v1/deliveries/{found['id']}"
        f"?organization_id={found['organization_id']}'</pre>"
    )


def _event(event: dict[str, Any]) -> str:
    changes = f"status is now {escape(event['status'])}" if event["applied"] else "the status stays as it was"
    return f"<strong>{escape(event['event'])}</strong> from {escape(event['provider'])}: {changes}"
