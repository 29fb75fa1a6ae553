"""Mails as `.eml` files in a directory."""

import email
import email.policy
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from singr_comms.channels.email import MEANT_FOR
from singr_config.clock import clock

ITEM_NAME: Final = re.compile(r"\d{16,}-[0-9a-f]{8}")


# Written before what the mail says of itself, and empty where it came by SMTP: the first of a name is ours.
_KNOWN: Final = ("Provider", "Provider-Id", "Message-Id")


def new_name() -> str:
    """A name for a message; later ones sort after earlier ones."""
    return f"{clock.time_ns() // 1000:016d}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Mail:
    """One mail as it arrived.

    Attributes:
        id: its name in the inbox; later mails sort after earlier ones.
        raw: all of it, as received.
        received_at: Unix time.
        channel: `email`.
    """

    id: str
    raw: bytes
    received_at: float
    channel: ClassVar[str] = "email"

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message.get("subject", ""))

    @property
    def sender(self) -> str:
        """The From header, decoded."""
        return str(self.message.get("from", ""))

    @property
    def to(self) -> str:
        """The To header, decoded."""
        return str(self.message.get("to", ""))

    @property
    def envelope_to(self) -> tuple[str, ...]:
        """Whom the SMTP client named as recipients."""
        return tuple(filter(None, str(self.message.get("x-singr-envelope-to", "")).split(", ")))

    @property
    def meant_for(self) -> str:
        """Whose mail it is, where it was sent to somebody else (`EMAIL_REDIRECT_TO`); else empty."""
        return str(self.message.get(MEANT_FOR, ""))

    @property
    def provider(self) -> str:
        """Whose simulator took it; empty where it came by SMTP."""
        return str(self.message.get("x-singr-provider", ""))

    @property
    def provider_id(self) -> str:
        """The id that it was given there."""
        return str(self.message.get("x-singr-provider-id", ""))

    @property
    def message_id(self) -> str:
        """Our own id of it, as the provider was told."""
        return str(self.message.get("x-singr-message-id", ""))

    @property
    def text(self) -> str:
        """The plain text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body is not None else ""

    def summary(self) -> dict[str, Any]:
        """What a list shows."""
        return {
            "id": self.id,
            "channel": self.channel,
            "from": self.sender,
            "to": self.to,
            "meant_for": self.meant_for,
            "subject": self.subject,
            "received_at": self.received_at,
            "size": len(self.raw),
        }

    def details(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **self.summary(),
            "envelope_to": list(self.envelope_to),
            "provider": self.provider,
            "provider_id": self.provider_id,
            "headers": [[name, str(value)] for name, value in self.message.items()],
            "text": self.text,
            "html": self.html,
        }


class MailStore:
    """The mails of a directory; safe to use from several threads and processes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self._arrived = threading.Condition()

    def add(self, raw: bytes, recipients: list[str], sender: str, known: Mapping[str, str] | None = None) -> str:
        """Keep a mail; returns its id. It is on disk, whole, before it can be seen.

        Args:
            raw: all of it.
            recipients: whom it is handed over for.
            sender: whom it comes from.
            known: what the provider knows of it, by the names of `Mail`.
        """
        name = new_name()
        about = {"Envelope-From": sender, "Envelope-To": ", ".join(recipients), **dict.fromkeys(_KNOWN, "")}
        about |= {field.title().replace("_", "-"): value for field, value in (known or {}).items()}
        envelope = "".join(f"X-Singr-{field}: {value}\r\n" for field, value in about.items())
        written = self.directory / f"{name}.part"
        written.write_bytes(envelope.encode("utf-8", "replace") + raw)
        written.replace(self.directory / f"{name}.eml")
        with self._arrived:
            self._arrived.notify_all()
        return name

    def ids(self) -> list[str]:
        """All ids, oldest first."""
        return sorted(path.stem for path in self.directory.glob("*.eml"))

    def get(self, name: str) -> Mail | None:
        """A mail by id; None when there is none (or the id is not one)."""
        if not ITEM_NAME.fullmatch(name):
            return None
        try:
            raw = (self.directory / f"{name}.eml").read_bytes()
        except OSError:
            return None
        return Mail(name, raw, int(name.partition("-")[0]) / 1_000_000)

    def all(self) -> list[Mail]:
        """All mails, oldest first."""
        return [mail for name in self.ids() if (mail := self.get(name))]

    def clear(self) -> None:
        """Delete every mail."""
        for path in self.directory.glob("*.eml"):
            path.unlink(missing_ok=True)

    def wait(self, match: Callable[[Mail], bool], seconds: float) -> Mail:
        """The first mail that matches, waiting for it to arrive.

        Raises:
            TimeoutError: none came in time; the text lists what did.
        """
        deadline = time.monotonic() + seconds
        while True:
            mails = self.all()
            if found := next((mail for mail in mails if match(mail)), None):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                seen = "; ".join(f"{mail.subject!r} to {mail.to}" for mail in mails) or "nothing"
                raise TimeoutError(f"no such mail within {seconds:g} s; arrived: {seen}")
            with self._arrived:
                self._arrived.wait(min(left, 0.1))  # another process may have written it
