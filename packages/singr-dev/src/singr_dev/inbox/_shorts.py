"""Text messages and pushes as files beside the mails, as the simulators took them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from singr_comms import sms_segments
from singr_dev.inbox._store import ITEM_NAME, new_name
from singr_dev.simulators import Received

ShortChannel: TypeAlias = Literal["sms", "push"]
SHORT_CHANNELS: Final[tuple[ShortChannel, ...]] = ("sms", "push")
_HEADLINE: Final = 120


class _Filed(msgspec.Struct, frozen=True):
    """What a file holds."""

    provider: str
    provider_id: str
    fields: dict[str, Any]


class ShortMessage(msgspec.Struct, frozen=True):
    """A text message or a push that a simulator took.

    Attributes:
        id: its name in the inbox; later messages sort after earlier ones.
        channel: `sms` or `push`.
        provider: whose simulator took it.
        provider_id: the id that it was given there.
        fields: the message as it was sent: Twilio's form, or FCM's object.
    """

    id: str
    channel: ShortChannel
    provider: str
    provider_id: str
    fields: Mapping[str, Any]

    @property
    def received_at(self) -> float:
        """Unix time."""
        return int(self.id.partition("-")[0]) / 1_000_000

    @property
    def to(self) -> str:
        """The number, or the device's token."""
        named = ("token", "topic") if self.channel == "push" else ("To",)
        return next((str(self.fields[name]) for name in named if name in self.fields), "")

    @property
    def sender(self) -> str:
        """Who it comes from, where the provider is told."""
        return str(self.fields.get("From") or self.fields.get("MessagingServiceSid") or "")

    @property
    def subject(self) -> str:
        """What a list shows of it: the title, or how the text begins."""
        if self.channel == "push":
            return str(self._notification.get("title", ""))
        begins = " ".join(self.text.split())
        return begins if len(begins) <= _HEADLINE else f"{begins[:_HEADLINE]}…"

    @property
    def text(self) -> str:
        """Its words."""
        return str(self._notification.get("body", "") if self.channel == "push" else self.fields.get("Body", ""))

    @property
    def message_id(self) -> str:
        """Our own id of it, as the provider was told; empty where it was not."""
        if self.channel == "push":
            return str(self.fields.get("data", {}).get("message_id", ""))
        told = dict(parse_qsl(urlsplit(str(self.fields.get("StatusCallback", ""))).query))
        return told.get("message_id", "")

    @property
    def size(self) -> str:
        """What it costs: parts of an SMS, bytes of a push."""
        if self.channel == "push":
            counted = {name: value for name, value in self.fields.items() if name not in {"token", "topic"}}
            return f"{len(msgspec.json.encode(counted)):,} of 4,096 bytes"
        found = sms_segments(self.text)
        parts = "1 part" if found.segments == 1 else f"{found.segments} parts"
        return f"{parts}, {found.encoding}"

    @property
    def _notification(self) -> Mapping[str, Any]:
        found = self.fields.get("notification")
        return found if isinstance(found, dict) else {}

    def summary(self) -> dict[str, Any]:
        """What a list shows."""
        return {
            "id": self.id,
            "channel": self.channel,
            "from": self.sender,
            "to": self.to,
            "subject": self.subject,
            "received_at": self.received_at,
            "size": self.size,
        }

    def details(self) -> dict[str, Any]:
        """Everything, for JSON."""
        given = {"provider": self.provider, "provider_id": self.provider_id, "fields": self.fields}
        return {**self.summary(), "text": self.text, **given}


class ShortStore:
    """The text messages and pushes of a directory; safe to use from several threads and processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, channel: ShortChannel, provider: str, received: Received) -> ShortMessage:
        """Keep a message that a simulator took."""
        name, fields = new_name(), dict(received.message)
        written = self._directory / f"{name}.part"
        written.write_bytes(msgspec.json.encode(_Filed(provider, received.id, fields)))
        written.replace(self._directory / f"{name}.{channel}")
        return ShortMessage(name, channel, provider, received.id, fields)

    def ids(self, channel: ShortChannel) -> list[str]:
        """All ids of a channel, oldest first."""
        return sorted(path.stem for path in self._directory.glob(f"*.{channel}"))

    def get(self, channel: ShortChannel, name: str) -> ShortMessage | None:
        """A message by id; None when there is none (or the id is not one)."""
        if not ITEM_NAME.fullmatch(name):
            return None
        try:
            filed = msgspec.json.decode((self._directory / f"{name}.{channel}").read_bytes(), type=_Filed)
        except (OSError, msgspec.DecodeError):
            return None
        return ShortMessage(name, channel, filed.provider, filed.provider_id, filed.fields)

    def clear(self) -> None:
        """Delete every one."""
        for channel in SHORT_CHANNELS:
            for path in self._directory.glob(f"*.{channel}"):
                path.unlink(missing_ok=True)
