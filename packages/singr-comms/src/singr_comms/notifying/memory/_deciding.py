"""Who gets a notification, and why not: in Python what `DECIDE` says in SQL, held against it by a test.

Messages are sent as they are decided, or as their reader's quiet hours end: nobody calls a provider, limits are not
asked, and no digest is made of what is kept for one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from singr_comms.catalogue import INBOX
from singr_comms.channels import CHANNELS
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.sending._suppressions import CODES, first_that_stops
from singr_comms.notifications.sending._try import ERASED, NO_DEVICE, OVER, PREFERENCE
from singr_comms.notifying._asked import bite_of, pause_after, quiet_of
from singr_comms.notifying._checking import EVERYBODY
from singr_comms.notifying._words import CANCELLED, CHOSEN, MAILLESS, NOWHERE, QUIETLY_OVER
from singr_comms.notifying.memory._model import MemoryMessage, MemoryNotification, Suppressed
from singr_comms.people import Often, decide, frequency_of, may_wait
from singr_comms.people._memory import MemoryPeople, MemoryRecipient
from singr_comms.people.times._clock import quiet_until
from singr_db import new_id


class _Target(NamedTuple):
    """Somebody to tell by a channel: their id, themselves where they are there still, and the address."""

    channel: str
    ordinal: int
    whom: UUID | None
    person: MemoryRecipient | None
    to: Any


@dataclass(frozen=True, slots=True)
class Deciding:
    """Decides a bite of a notification's recipients.

    Args:
        one: the notification, which notes how far it is.
        people: those of its organization.
        suppressed: which addresses get nothing.
        now: the time.
    """

    one: MemoryNotification
    people: MemoryPeople
    suppressed: Sequence[Suppressed]
    now: datetime

    def bite(self) -> list[MemoryMessage]:
        """Decide the next ones; returns their messages."""
        one, limit = self.one, bite_of(self.one.per_minute)
        crowd = None if one.audience["kind"] == "named" else list(self._crowd())[:limit]
        messages = [self._message(target) for channel in one.channels for target in self._targets(channel, crowd)]
        one.decided += one.audience["named"] if crowd is None else len(crowd)
        one.cursor = crowd[-1].id if crowd else one.cursor
        one.state, one.updated_at = "deciding", self.now
        if crowd is None or len(crowd) < limit:
            one.state = "sending"
        elif one.per_minute is not None:
            one.due_at = self.now + timedelta(seconds=pause_after(limit, one.per_minute))
        return messages

    def _crowd(self) -> Iterator[MemoryRecipient]:
        """Those of an audience whose turn has not come, in the order of their ids."""
        audience, topics = self.one.audience, self.people.topics.values()
        members = {who for topic in topics for who in topic.members if str(topic.id) == audience.get("topic_id")}
        for person in self.people.by_id().values():
            fits = {
                "topic": person.id in members,
                "tags": set(audience.get("tags", ())) <= set(person.given.tags),
                "all": True,
            }
            if fits[audience["kind"]] and person.id > self.one.cursor:
                yield person

    def _targets(self, channel: str, crowd: Iterable[MemoryRecipient] | None) -> Iterator[_Target]:
        """Whom to tell by a channel: who was found, or who was named."""
        if crowd is not None:
            for person in crowd:
                yield from self._reached(channel, EVERYBODY, person)
            return
        everybody = self.people.by_id()
        for ordinal, whom in self.one.recipients.items():
            if whom in everybody:
                yield from self._reached(channel, ordinal, everybody[whom])
            else:
                yield _Target(channel, ordinal, whom, None, None)
        for ordinal, bare in self.one.checked.addresses.items():
            if bare.channel == channel:
                yield _Target(channel, ordinal, None, None, bare.to)

    def _reached(self, channel: str, ordinal: int, person: MemoryRecipient) -> Iterator[_Target]:
        """Somebody at each of their addresses, or once without one."""
        found: Sequence[Any] = (person.external_id,) if channel == INBOX else (person.address(channel),)
        if channel == PUSH.name:
            found = tuple(self.people.tokens(person.id))
        for to in found or (None,):
            yield _Target(channel, ordinal, person.id, person, to)

    def again(self, message: MemoryMessage) -> MemoryMessage:
        """Look at one that waited as its attempt begins; returns it as it is then."""
        person = None if message.recipient_id is None else self.people.by_id().get(message.recipient_id)
        target = _Target(message.channel, EVERYBODY, message.recipient_id, person, message.to)
        if message.expires_at <= self.now:
            return message.not_sent(OVER.code)
        if person is not None and message.channel == PUSH.name and message.to not in self.people.tokens(person.id):
            return message.not_sent(NO_DEVICE.code)
        why, rule = self._refused(target)
        return replace(message, waits_until=None) if why is None else message.not_sent(why, rule)

    def _judged(self, target: _Target, expires_at: datetime) -> tuple[str | None, str]:
        """Why it is not sent, in the order in which `DECIDE` looks; and the rule of preferences."""
        why, rule = self._refused(target)
        if why is not None or target.channel == INBOX:
            return why, rule
        until = self._quiet_until(target)
        quiet = quiet_of(self.one.checked.type, target.channel, self.one.priority)
        is_mailed = target.person is not None and target.person.address("email") is not None
        often = self._often(target)
        if often.frequency is None and self.one.digest is not None:
            return ("digested" if is_mailed else MAILLESS), rule  # no digest is made of it here
        if often.frequency not in {None, "immediate"} and is_mailed:
            return CHOSEN, often.rule or ""
        if until is not None and quiet == "digest" and is_mailed:
            return "digested", rule
        if until is not None and quiet == "drop":
            return "quiet_hours", rule
        return (QUIETLY_OVER if until is not None and until >= expires_at else None), rule

    def _often(self, target: _Target) -> Often:
        """How often its reader wants to be told of it, where anybody chose."""
        declared = self.one.checked.type
        if not may_wait(declared, target.channel, self.one.priority):
            return Often()
        return frequency_of(
            {} if target.person is None else self.people.chosen_often(target.whom),
            self.people.chosen_often(None),
            type_=declared.name,
            category=declared.category,
            channel=target.channel,
        )

    def _refused(self, target: _Target) -> tuple[str | None, str]:
        """Why it is not sent at whatever hour."""
        declared, whom, ends_at = self.one.checked.type, target.whom, self.one.expires_at
        allowed, rule = decide(
            {} if target.person is None else self.people.chosen(whom),
            self.people.chosen(None),
            type_=declared.name,
            category=declared.category,
            channel=target.channel,
            mandatory=declared.mandatory,
            type_allows=not declared.opt_in,
        )
        if ends_at is not None and ends_at <= self.now:
            return OVER.code, rule
        if whom is not None and target.person is None:
            return ERASED.code, rule
        if whom in self.one.without:
            return CANCELLED.code, rule
        if target.to is None:
            return NOWHERE[target.channel], rule
        if code := self._stopped(target):
            return code, rule
        return (None if allowed else PREFERENCE), rule

    def _quiet_until(self, target: _Target) -> datetime | None:
        """When the quiet hours end that it comes in; None where it comes in none, or passes."""
        hours = None if target.person is None else target.person.given.quiet_hours
        if target.person is None or hours is None:
            return None
        if quiet_of(self.one.checked.type, target.channel, self.one.priority) == "pass":
            return None
        starts, ends = time.fromisoformat(hours.starts), time.fromisoformat(hours.ends)
        return quiet_until(self.now, target.person.given.time_zone, starts, ends, hours.days)

    def _stopped(self, target: _Target) -> str | None:
        """The code of what stops messages to an address; None where nothing does, or it is an inbox."""
        if target.channel == INBOX:
            return None
        address = normalized(CHANNELS[target.channel].address(target.to))
        about = [one for one in self.suppressed if one.is_of(target.channel, address, self.one.organization_id)]
        stopping = first_that_stops(self.one.type, about)
        return None if stopping is None else CODES[stopping.reason][0]

    def _message(self, target: _Target) -> MemoryMessage:
        one, person = self.one, target.person
        lives = self.now + timedelta(seconds=one.checked.type.time_to_live)
        expires_at = min(one.expires_at or lives, lives)
        own = one.checked.contents.get((target.ordinal, target.channel))
        message = MemoryMessage(
            id=new_id(),
            organization_id=one.organization_id,
            notification_id=one.id,
            type=one.type,
            channel=target.channel,
            recipient=None if person is None else person.external_id,
            recipient_id=target.whom,
            to=target.to,
            message=own or one.checked.contents[EVERYBODY, target.channel],
            locale=None if person is None else person.given.locale,
            reason=None,
            rule=None,
            words=None,
            decided_at=self.now,
            expires_at=expires_at,
            waits_until=self._quiet_until(target),
        )
        why, rule = self._judged(target, expires_at)
        return message if why is None else message.not_sent(why, rule)
