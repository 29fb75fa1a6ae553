"""Digests in memory: what is kept for people, and what comes of it as a window closes, as the statements have it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from singr_comms.catalogue import EXAMPLE_LINK, Message, MessageType
from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.notifications.sending._try import PREFERENCE
from singr_comms.notifying._words import BESIDE, EMPTY, MAILLESS
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.digests._words import digest_of
from singr_comms.notifying.memory._judging import Judging, closes_of
from singr_comms.notifying.memory._model import MemoryMessage
from singr_comms.people._memory import MemoryPeople
from singr_comms.people._memory_rows import MemoryRecipient
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_db import new_id


@dataclass(frozen=True, kw_only=True)
class MemoryKept:
    """One thing that a digest is to tell."""

    notification_id: UUID
    kind: str
    channel: str
    message: Message
    created_at: datetime
    expires_at: datetime | None


@dataclass(kw_only=True)
class MemoryWindow:
    """What is collected of one type for one person until it closes.

    Attributes:
        times: the person's own, by which it was last said when it closes.
    """

    recipient_id: UUID
    declared: MessageType
    period: Period
    closes_at: datetime
    times: tuple[Any, ...]
    items: list[MemoryKept] = field(default_factory=list)


@dataclass
class MemoryDigests:
    """An organization's windows that are open.

    Attributes:
        windows: by recipient, type and period.
    """

    organization_id: UUID
    people: MemoryPeople
    now: Callable[[], datetime]
    windows: dict[tuple[UUID, str, Period], MemoryWindow] = field(default_factory=dict)

    def saved(self) -> Callable[[], None]:
        """What brings back what there is now."""
        kept = [(key, {**vars(one), "items": list(one.items)}) for key, one in self.windows.items()]

        def restore() -> None:
            self.windows = {key: MemoryWindow(**{**values, "items": list(values["items"])}) for key, values in kept}

        return restore

    def keep(
        self, message: MemoryMessage, declared: MessageType, *, expires_at: datetime | None
    ) -> MemoryMessage | None:
        """Put what is `digested` into its reader's open window, once of each notification.

        Returns:
            What becomes of the message where another channel had it kept for a digest of another period.
        """
        whom, period, told, said = message.recipient_id, message.digest, message.notification_id, message.message
        person = None if whom is None else self.people.by_id().get(whom)
        if whom is None or period is None or told is None or said is None or person is None:
            return None
        for one in self._of(whom):
            if any(item.notification_id == told for item in one.items):
                return None if one.period == period else replace(message.not_sent(BESIDE), digest=one.period)
        window = self.windows.get((whom, message.type, period))
        if window is None:
            window = MemoryWindow(
                recipient_id=whom,
                declared=declared,
                period=period,
                closes_at=self.closes(person, period, self.now()),
                times=_times(person),
            )
            self.windows[whom, message.type, period] = window
        window.items.append(
            MemoryKept(
                notification_id=told,
                kind=message.type,
                channel=message.channel,
                message=said,
                created_at=self.now(),
                expires_at=expires_at,
            )
        )
        return None

    def withdraw(self, notification_id: UUID, recipients: Collection[UUID] | None) -> set[UUID]:
        """Take what came of a notification out of all windows; returns whose they were."""
        taken = set()
        for one in self.windows.values():
            if recipients is not None and one.recipient_id not in recipients:
                continue
            left = [item for item in one.items if item.notification_id != notification_id]
            if len(left) < len(one.items):
                taken.add(one.recipient_id)
                one.items = left
        return taken

    def move(self) -> None:
        """Let windows keep to their reader's clock and wishes as these are now; they go with who is taken off."""
        people = self.people.by_id()
        self.windows = {key: one for key, one in self.windows.items() if one.recipient_id in people}
        for one in self.windows.values():
            person = people[one.recipient_id]
            if one.times != _times(person) and one.closes_at > self.now():
                one.closes_at, one.times = self.closes(person, one.period, self.now()), _times(person)

    def next_due(self) -> datetime | None:
        """When one closes next."""
        return min((one.closes_at for one in self.windows.values()), default=None)

    def close_due(self, judging: Judging) -> Iterator[MemoryMessage]:
        """Close what is due; gives the mails, and why there is none."""
        due = [one for one in self.windows.values() if one.closes_at <= self.now()]
        for one in sorted(due, key=lambda one: one.closes_at):
            del self.windows[one.recipient_id, one.declared.name, one.period]
            if one.items:  # else all of it was withdrawn
                yield self._closed(one, judging)

    def _closed(self, window: MemoryWindow, judging: Judging) -> MemoryMessage:
        person = self.people.by_id()[window.recipient_id]
        fresh = [item for item in window.items if not self._is_over(item, person.id)]
        to = person.address("email")
        digest = self._told(fresh, person, window.period)
        message = MemoryMessage(
            id=new_id(),
            organization_id=self.organization_id,
            notification_id=None,
            type=DIGEST.name,
            channel="email",
            recipient=person.external_id,
            recipient_id=person.id,
            to=to,
            message=digest,
            locale=person.given.locale,
            reason=None,
            rule=None,
            words=None,
            decided_at=self.now(),
            expires_at=None,
        )
        allowed, rule = judging.allowed(person.id, window.declared, "email")
        if not allowed:
            return message.not_sent(PREFERENCE, rule)
        if digest is None:
            return message.not_sent(EMPTY)
        if to is None:
            return message.not_sent(MAILLESS)
        return judging.attempted(message, DIGEST)

    def _told(self, items: list[MemoryKept], person: MemoryRecipient, period: Period) -> Message | None:
        if not items:
            return None
        return digest_of(
            items,
            opened=lambda item: item.message,
            dressed=lambda _item, _message: (DEFAULT_BRAND, person.given.locale),
            who=person.given,
            name=person.given.name,
            period=period,
            link=EXAMPLE_LINK,
        )

    def _is_over(self, item: MemoryKept, recipient_id: UUID) -> bool:
        is_late = item.expires_at is not None and item.expires_at <= self.now()
        return is_late or self.people.inboxes.was_dealt_with(item.notification_id, recipient_id)

    def closes(self, person: MemoryRecipient, period: Period, moment: datetime) -> datetime:
        """When the digest comes that is open at a moment."""
        return closes_of(self.people, person, period, moment)

    def _of(self, recipient_id: UUID) -> list[MemoryWindow]:
        return [one for one in self.windows.values() if one.recipient_id == recipient_id]


def _times(person: MemoryRecipient) -> tuple[Any, ...]:
    return person.given.time_zone, person.given.digest
