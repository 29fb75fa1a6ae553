"""A mail as Resend would send it on: from the JSON that it takes to the bytes that a mailbox gets."""

import re
from collections.abc import Mapping
from email.utils import formatdate
from html import escape
from typing import Any, Final

from singr_comms.rendering import UnsafeMailError, write_mail
from singr_config.clock import clock
from singr_dev.simulators import Received

_NAMED: Final = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"<>]*?)) ?<([^<>]+)>')
_ESCAPED: Final = re.compile(r"\\(.)")
_NOBODY: Final = ("", "nobody@resend.simulator")


def written(received: Received) -> tuple[bytes, list[str], str]:
    """The mail, whom it goes to, and whom it comes from.

    It is not written by the library's header classes, which decode what people typed into further headers. Of one that
    cannot be written safely, what is kept says so.
    """
    sent = received.message
    recipients = [_mailbox(one) for one in (sent["to"] if isinstance(sent["to"], list) else [sent["to"]])]
    sender, text = _mailbox(sent["from"]), sent.get("text") or ""
    about: dict[str, Any] = {
        "date": formatdate(clock.time()),
        "message_id": f"{received.id}@resend.simulator",
        "sender": sender,
        "recipient": recipients[0],
    }
    words = {"subject": sent["subject"], "text": text, "html": sent.get("html") or f"<pre>{escape(text)}</pre>"}
    try:
        raw = write_mail(**about, **words, more=sent.get("headers") or {})
    except UnsafeMailError as error:
        told = f"A mail that Resend took is not shown: it {error}."
        safe = about | {"sender": _NOBODY, "recipient": _NOBODY}
        raw = write_mail(**safe, subject="A mail that cannot be shown", text=told, html=f"<p>{escape(told)}</p>")
    return raw, [address for _, address in recipients], sender[1]


def tags(message: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a mail, by which we know it again."""
    return {one["name"]: one["value"] for one in message.get("tags") or ()}


def _mailbox(written: str) -> tuple[str, str]:
    """The name and the address of a mailbox."""
    found = _NAMED.fullmatch(written)
    if found is None:
        return "", written
    return _ESCAPED.sub(r"\1", found[1]) if found[1] is not None else found[2], found[3]
