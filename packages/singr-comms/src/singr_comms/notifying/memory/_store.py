"""An organization's notifications in memory: stored, steered and read as the statements do it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.notifying._words import CANCELLED
from singr_comms.notifying.checking import Checked
from singr_comms.notifying.memory._deciding import Deciding
from singr_comms.notifying.memory._digests import MemoryDigests
from singr_comms.notifying.memory._judging import Judging
from singr_comms.notifying.memory._model import MemoryMessage, MemoryNotification, Suppressed
from singr_comms.notifying.memory._room import Counted, MemoryRoom, next_room
from singr_comms.people._memory import MemoryPeople

_OPEN: Final = ("scheduled", "deciding")
_ENDED: Final = ("done", "cancelled")
_SENT: Final = ("sent", "delivered")


@runtime_checkable
class KeepsNotifications(Protocol):
    """What stands in for a session of `Database.tenant`, and has notifications of its own."""

    people: MemoryPeople
    notifications: "MemoryNotified"


@dataclass
class MemoryNotified:
    """One organization's notifications, and the messages that came of them.

    Attributes:
        now: the time.
        suppressed: which addresses get nothing.
        room: what limits leave; None: they are not asked.
        messages: what was decided, in order.
    """

    organization_id: UUID
    people: MemoryPeople
    now: Callable[[], datetime]
    suppressed: list[Suppressed]
    room: MemoryRoom | None = None
    messages: list[MemoryMessage] = field(default_factory=list)
    all: dict[UUID, MemoryNotification] = field(default_factory=dict)
    digests: MemoryDigests = field(init=False)

    def __post_init__(self) -> None:
        """Give it windows for what is kept for digests."""
        self.digests = MemoryDigests(self.organization_id, self.people, self.now)
        self.people.to_reach = self._to_reach

    def saved(self) -> Callable[[], None]:
        """What brings back what there is now."""
        messages, kept = list(self.messages), {key: dict(vars(one)) for key, one in self.all.items()}
        restore_digests = self.digests.saved()

        def restore() -> None:
            restore_digests()
            self.messages[:] = messages
            self.all = {key: self.all[key] for key in kept}
            for key, values in kept.items():
                vars(self.all[key]).update(values)

        return restore

    def _to_reach(self, topic_id: UUID) -> list[UUID]:
        waiting = (one for one in self.all.values() if one.state in _OPEN)
        return sorted(one.id for one in waiting if one.audience.get("topic_id") == str(topic_id))

    # --- as the statements do -----------------------------------------------------------------------------------------

    def by_key(self, key: str | None) -> MemoryNotification | None:
        """The one that has a deduplication key."""
        having = (one for one in self.all.values() if one.deduplication_key == key and one.state != "cancelled")
        return None if key is None else next(having, None)

    def let_go_of_key(self, key: str, moment: datetime) -> None:
        """Let another have the key of one that has begun, and is over by then."""
        known = self.by_key(key)
        if known is not None and known.state != "scheduled" and known.expires_at and known.expires_at <= moment:
            known.deduplication_key, known.updated_at = None, self.now()

    def put(self, values: Mapping[str, Any]) -> MemoryNotification:
        """Keep one, as the statement that stores it is given it; it takes the place of the one that has its id."""
        now, send_at, known = self.now(), values["send_at"], self.all.get(values["id"])
        is_early = send_at is not None and send_at > now
        one = MemoryNotification(
            **{**values, "audience": msgspec.json.decode(values["audience"])},
            state="scheduled" if is_early else "deciding",
            created_at=now if known is None else known.created_at,
            updated_at=now,
            due_at=send_at if is_early else now,
        )
        self.all[one.id] = one
        return one

    def fill(self, notification_id: UUID, checked: Checked, recipients: Mapping[int, UUID]) -> None:
        """Say to it what it says, and to whom."""
        self.all[notification_id].checked, self.all[notification_id].recipients = checked, recipients

    def cancel(self, one: MemoryNotification, recipients: Collection[UUID] | None) -> tuple[int, int]:
        """Stop it, or leave some out; returns how many messages of it that stopped, and how many were sent before."""
        if recipients is None and one.state not in _ENDED:
            one.state, one.paused_at, one.ended_at, one.updated_at = "cancelled", None, self.now(), self.now()
        elif recipients is not None and one.state in _OPEN:
            one.without, one.updated_at = one.without | set(recipients), self.now()
        taken = self.digests.withdraw(one.id, recipients)
        stopped = already_sent = 0
        for place, message in enumerate(self.messages):
            if message.notification_id == one.id and (recipients is None or message.recipient_id in recipients):
                already_sent += message.status in _SENT
                if message.waits_until is not None or (message.digest is not None and message.recipient_id in taken):
                    self.messages[place] = message.not_sent(CANCELLED.code)
                    stopped += 1
        return stopped, already_sent

    def pause(self, one: MemoryNotification) -> None:
        """Decide no further."""
        one.paused_at, one.updated_at = one.paused_at or self.now(), self.now()

    def resume(self, one: MemoryNotification) -> None:
        """Go on."""
        if one.paused_at is not None:
            one.paused_at, one.updated_at, one.due_at = None, self.now(), max(self.now(), one.due_at)

    def counts(self, notification_id: UUID) -> Iterator[tuple[str, str, str | None, int]]:
        """How many messages by channel, status and reason."""
        came_to = sorted(
            (message.channel, message.status, message.reason or "")
            for message in self.messages
            if message.notification_id == notification_id
        )
        for (channel, status, reason), several in groupby(came_to):
            yield channel, status, reason or None, len(list(several))

    def next_due(self) -> datetime | None:
        """When there is something to decide or to send next."""
        opens = [one.due_at for one in self.all.values() if self._is_open(one)]
        waits = [message.waits_until for message in (*self._mails(), *(message for message, _ in self._waiting()))]
        times = [*opens, *waits, self.digests.next_due(), self.people.inboxes.next_awake()]
        return min((time for time in times if time is not None), default=None)

    def decide_due(self) -> None:
        """Bring back what was snoozed, close digests, decide, the most urgent first, and send what waited."""
        self.people.inboxes.wake()
        self.digests.move()
        judging = Judging(self.organization_id, self.people, self.suppressed, self.now())
        self._forget_erased()
        self.messages += [self._within_limits(mail, waits=True) for mail in self.digests.close_due(judging)]
        while due := [one for one in self.all.values() if self._is_open(one) and one.due_at <= self.now()]:
            one = min(due, key=lambda one: (one.priority, one.due_at, one.id))
            self._decide(one)
        again = {one.id: self._deciding(by).again(one) for one, by in self._waiting() if self._is_due(one)}
        again |= {one.id: judging.attempted(one, DIGEST) for one in self._mails() if self._is_due(one)}
        for place, message in enumerate(self.messages):
            if message.id in again:
                self.messages[place] = self._within_limits(again[message.id], waits=True)
        open_ = {message.notification_id for message in self.messages if message.waits_until is not None}
        for one in self.all.values():
            if one.state == "sending" and one.id not in open_:
                one.state, one.ended_at, one.paused_at = "done", self.now(), None

    def _decide(self, one: MemoryNotification) -> None:
        """Decide the next recipients of one; a digest tells what a push would have said, before others."""
        made = list(map(self._within_limits, self._deciding(one).bite()))
        for place in sorted(range(len(made)), key=lambda place: made[place].channel != PUSH.name):
            if made[place].digest is not None:
                kept = self.digests.keep(made[place], one.checked.type, expires_at=one.expires_at)
                made[place] = kept or made[place]
        self.messages += made

    def _within_limits(self, message: MemoryMessage, *, waits: bool = False) -> MemoryMessage:
        """The message, held back where it is one too many; a digest, and what was held before, waits for room."""
        if self.room is None or message.status != "sent":
            return message
        person = None if message.recipient_id is None else self.people.by_id().get(message.recipient_id)
        user_id = None if person is None else person.user_id
        counted = Counted(message.organization_id, message.channel, message.type, message.to, user_id)
        if over := self.room.over(counted, self.now()):
            until = next_room(over[0], self.now())
            if waits and (message.expires_at is None or until < message.expires_at):
                return replace(message, waits_until=until)
            return message.over_limit(*over)
        self.room.count(counted, self.now())
        return message

    def _forget_erased(self) -> None:
        """Blank what is kept of messages to who is forgotten."""
        for place, message in enumerate(self.messages):
            if message.recipient_id in self.people.erased and message.names_somebody:
                self.messages[place] = message.erased()

    def _deciding(self, one: MemoryNotification) -> Deciding:
        return Deciding(one, self.people, self.suppressed, self.now())

    def _waiting(self) -> Iterator[tuple[MemoryMessage, MemoryNotification]]:
        """What quiet hours or a limit hold back, but of what is paused; and what it is of."""
        for message in self.messages:
            if message.waits_until is not None and message.notification_id is not None:
                one = self.all[message.notification_id]
                if one.paused_at is None:
                    yield message, one

    def _mails(self) -> Iterator[MemoryMessage]:
        """Digests that wait for room."""
        return (one for one in self.messages if one.waits_until is not None and one.notification_id is None)

    def _is_due(self, one: MemoryMessage) -> bool:
        return one.waits_until is not None and one.waits_until <= self.now()

    def _is_open(self, one: MemoryNotification) -> bool:
        return one.state in _OPEN and one.paused_at is None
