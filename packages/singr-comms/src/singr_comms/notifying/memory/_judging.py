"""What stands in the way of one message: choices, suppressions, quiet hours; as the database is asked for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from singr_comms.catalogue import INBOX, MessageType
from singr_comms.channels import CHANNELS
from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.sending._suppressions import CATEGORY, first_that_stops
from singr_comms.notifications.sending._try import ERASED, PREFERENCE
from singr_comms.notifying._asked import quiet_of
from singr_comms.notifying._words import STOPS
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.memory._model import MemoryMessage, Suppressed
from singr_comms.people import Decision, Often, decide, frequency_of, may_wait
from singr_comms.people._memory import MemoryPeople
from singr_comms.people._memory_rows import MemoryRecipient
from singr_comms.people.times._clock import digest_closes, quiet_until
from singr_jobs import Priority


@dataclass(frozen=True, slots=True)
class Judging:
    """Says of one person, type and channel what stands in the way.

    Args:
        organization_id: whose messages.
        people: those of the organization.
        suppressed: which addresses get nothing.
        now: the time.
    """

    organization_id: UUID
    people: MemoryPeople
    suppressed: Sequence[Suppressed]
    now: datetime

    def allowed(self, whom: UUID | None, declared: MessageType, channel: str) -> Decision:
        """Whether it is wanted, and by which rule."""
        return decide(
            {} if whom is None else self.people.chosen(whom),
            self.people.chosen(None),
            type_=declared.name,
            category=declared.category,
            channel=channel,
            mandatory=declared.mandatory,
            type_allows=not declared.opt_in,
        )

    def often(self, whom: UUID | None, declared: MessageType, channel: str, priority: int) -> Often:
        """How often it is wanted, where anybody chose."""
        if not may_wait(declared, channel, priority):
            return Often()
        return frequency_of(
            {} if whom is None else self.people.chosen_often(whom),
            self.people.chosen_often(None),
            type_=declared.name,
            category=declared.category,
            channel=channel,
        )

    def chosen_digest(
        self, person: MemoryRecipient | None, declared: MessageType, often: Often, ends_at: datetime | None
    ) -> Period | None:
        """The digest that somebody chose, where it reaches them while the message is of use."""
        if person is None or often.frequency is None or often.frequency == "immediate":
            return None
        if not self.is_reached_by_digests(person, declared):
            return None
        is_late = ends_at is not None and closes_of(self.people, person, often.frequency, self.now) >= ends_at
        return None if is_late else often.frequency

    def is_reached_by_digests(self, person: MemoryRecipient, declared: MessageType) -> bool:
        """Whether they have an address that takes mails, and want such mails and digests."""
        to = person.address("email")
        wanted = all(self.allowed(person.id, one, "email").allowed for one in (declared, DIGEST))
        return to is not None and wanted and self.stopped(DIGEST.name, "email", to) is None

    def stopped(self, kind: str, channel: str, to: Any) -> str | None:
        """By which of `WORDS` an address gets nothing; None where nothing does, or it is an inbox."""
        if channel == INBOX:
            return None
        address = normalized(CHANNELS[channel].address(to))
        about = [one for one in self.suppressed if one.is_of(channel, address, self.organization_id)]
        about += [
            Suppressed(channel, frozenset({address}), "unsubscribed", CATEGORY + category)
            for by, at, category in self.people.ended
            if (by, at) == (channel, address)
        ]
        stopping = first_that_stops(kind, about)
        return None if stopping is None else STOPS[stopping.reason]

    def quiet_until(
        self, person: MemoryRecipient | None, declared: MessageType, channel: str, priority: int
    ) -> datetime | None:
        """When the quiet hours end that it comes in; None where it comes in none, or passes."""
        hours = None if person is None else person.given.quiet_hours
        if person is None or hours is None or quiet_of(declared, channel, priority) == "pass":
            return None
        starts, ends = time.fromisoformat(hours.starts), time.fromisoformat(hours.ends)
        return quiet_until(self.now, person.given.time_zone, starts, ends, hours.days)

    def attempted(self, message: MemoryMessage, declared: MessageType) -> MemoryMessage:
        """A message to a recipient that no notification decided, as its attempt leaves it."""
        person = None if message.recipient_id is None else self.people.by_id().get(message.recipient_id)
        if message.recipient_id is not None and person is None:
            return message.not_sent(ERASED.code)
        if code := self.stopped(declared.name, message.channel, message.to):
            return message.not_sent(code)
        allowed, rule = self.allowed(message.recipient_id, declared, message.channel)
        if not allowed:
            return message.not_sent(PREFERENCE, rule)
        return replace(message, waits_until=self.quiet_until(person, declared, message.channel, Priority.NORMAL))


def closes_of(people: MemoryPeople, person: MemoryRecipient, period: Period, moment: datetime) -> datetime:
    """When the digest comes that is open at a moment."""
    own, default = person.given.digest, people.digest_default
    at = default.at if own is None else own.at
    weekday = default.weekday if own is None or own.weekday is None else own.weekday
    wanted = None if at is None else time.fromisoformat(at)
    return digest_closes(moment, person.given.time_zone, wanted, weekday, period=period)
