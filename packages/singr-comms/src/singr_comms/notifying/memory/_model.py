"""What is kept of notifications in memory, and of the messages that came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._preview import Preview, preview
from singr_comms.catalogue import INBOX, Message
from singr_comms.notifications.sending._try import ERASED, PREFERENCE
from singr_comms.notifying._words import CHOSEN, WORDS
from singr_comms.notifying.checking import Checked
from singr_comms.notifying.digests._joining import Period

_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class MemoryMessage:
    """What was decided of one message.

    Attributes:
        type: its type.
        recipient: whom it is for, by the organization's own id; None where an address was named alone, or they are
            taken off since.
        to: the address, as the channel's providers take it; of an inbox whose it is; None where there is none.
        message: what it says; None of a digest that has nothing to tell, and of who was erased.
        locale: its reader's language; of a push their device's, where that has one.
        reason: the code of why it was not sent; None where it was, or waits.
        rule: the rule that decided, where `reason` is `preference`, or `digested` as somebody chose.
        words: the reason for people.
        decided_at: when.
        expires_at: after this it would not have been sent any more; None of a digest.
        waits_until: when its reader's quiet hours end, as long as they hold it back, or the hour or day whose limit
            does; None otherwise.
        digest: of what is `digested`, how often the digest comes that it is kept for.
    """

    id: UUID
    organization_id: UUID
    notification_id: UUID | None
    type: str
    channel: str
    recipient: str | None
    recipient_id: UUID | None
    to: Any
    message: Message | None
    locale: str | None
    reason: str | None
    rule: str | None
    words: str | None
    decided_at: datetime
    expires_at: datetime | None
    waits_until: datetime | None = None
    digest: Period | None = None

    @property
    def status(self) -> str:
        """As in the log of deliveries: `queued` while it waits, `sent` (in an inbox `delivered`), or `suppressed`."""
        if self.reason is not None:
            return "suppressed"
        if self.waits_until is not None:
            return "queued"
        return "delivered" if self.channel == INBOX else "sent"

    @property
    def names_somebody(self) -> bool:
        """Whether it has anything of its reader still; one without words has their address."""
        return any(one is not None for one in (self.recipient, self.to, self.message))

    def not_sent(self, why: str, rule: str | None = None) -> "MemoryMessage":
        """The same, where it is not sent for this: a code, or what `WORDS` has of one."""
        by = rule if why in {PREFERENCE, CHOSEN} else None
        words = WORDS[why].replace("{rule}", by or "")
        return replace(self, reason=why.partition(" ")[0], rule=by, words=words, waits_until=None, digest=None)

    def over_limit(self, code: str, words: str) -> "MemoryMessage":
        """The same, where a limit holds it back."""
        return replace(self, reason=code, words=words)

    def erased(self) -> "MemoryMessage":
        """The same, once its reader is forgotten: to nobody, and of nothing."""
        kept = self.not_sent(ERASED.code) if self.waits_until is not None else self
        return replace(kept, recipient=None, to=None, message=None)

    def preview(self) -> Preview:
        """As its reader sees it, in their language.

        Raises:
            ValueError: it says nothing, since it was never sent.
        """
        if self.message is None:
            raise ValueError(f"it says nothing: {self.words or 'its reader was erased'}")
        return preview(self.message, locale=self.locale)


@dataclass
class MemoryNotification:
    """One notification, by the names of the table's columns.

    Attributes:
        due_at: when it is decided, or goes on being.
        recipients: those that are named, by their ordinals.
    """

    id: UUID
    organization_id: UUID
    type: str
    audience: dict[str, Any]
    channels: list[str]
    priority: int
    per_minute: int | None
    digest: Period | None
    send_at: datetime | None
    expires_at: datetime | None
    deduplication_key: str | None
    correlation_id: str | None
    created_by: str | None
    state: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    cursor: UUID = _FIRST
    decided: int = 0
    turn: int = 1
    job_id: UUID | None = None
    without: frozenset[UUID] = frozenset()
    recipients: Mapping[int, UUID] = field(default_factory=dict)
    checked: Checked = field(init=False)


class Suppressed(msgspec.Struct, frozen=True):
    """An address that gets nothing; of all organizations, where none is named.

    Attributes:
        ways: the address, in each way to write it.
    """

    channel: str
    ways: frozenset[str]
    reason: str
    scope: str
    organization_id: UUID | None = None

    def is_of(self, channel: str, address: str, organization_id: UUID) -> bool:
        """Whether it is of this address, as far as this organization is concerned."""
        ours = self.organization_id in {None, organization_id}
        return ours and self.channel == channel and address in self.ways
