"""A mail as Resend would send it on: from the JSON that it takes to the bytes that a mailbox gets."""

from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, Final

from singr_config.clock import clock
from singr_dev.simulators import Received

# RFC 5322 2.1.1. Folded earlier, a link in a header would be written as an encoded word, which nobody follows.
_POLICY: Final = SMTP.clone(max_line_length=998)


def written(received: Received) -> tuple[bytes, list[str], str]:
    """The mail, whom it goes to, and whom it comes from."""
    sent = received.message
    to = sent["to"] if isinstance(sent["to"], list) else [sent["to"]]
    message = EmailMessage(policy=_POLICY)
    message["From"], message["To"], message["Subject"] = sent["from"], ", ".join(to), sent["subject"]
    message["Date"], message["Message-ID"] = formatdate(clock.time()), f"<{received.id}@resend.simulator>"
    for name, value in (sent.get("headers") or {}).items():
        message[name] = value
    if sent.get("text"):
        message.set_content(sent["text"])
    if sent.get("html"):
        if sent.get("text"):
            message.add_alternative(sent["html"], subtype="html")
        else:
            message.set_content(sent["html"], subtype="html")
    return message.as_bytes(), [address.addr_spec for address in message["To"].addresses], sent["from"]


def tags(message: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a mail, by which we know it again."""
    return {one["name"]: one["value"] for one in message.get("tags") or ()}
