"""Who gets a notification, and why not: in Python what `DECIDE` says in SQL, held against it by a test.

Messages are sent as they are decided: nobody calls a provider, and limits are not asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from singr_comms.catalogue import INBOX
from singr_comms.channels import CHANNELS
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.sending._suppressions import CODES, first_that_stops
from singr_comms.notifications.sending._try import ERASED, OVER, PREFERENCE
from singr_comms.notifying._asked import bite_of, pause_after
from singr_comms.notifying._checking import EVERYBODY
from singr_comms.notifying._words import CANCELLED, NOWHERE
from singr_comms.notifying.memory._model import MemoryMessage, MemoryNotification, Suppressed
from singr_comms.people import decide
from singr_comms.people._memory import MemoryPeople, MemoryRecipient
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
            one.state, one.ended_at = "done", self.now
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

    def _judged(self, target: _Target) -> tuple[str | None, str]:
        """Why it is not sent, in the order in which `DECIDE` looks; and the rule of preferences."""
        declared, whom, expires_at = self.one.checked.type, target.whom, self.one.expires_at
        allowed, rule = decide(
            {} if target.person is None else self.people.chosen(whom),
            self.people.chosen(None),
            type_=declared.name,
            category=declared.category,
            channel=target.channel,
            mandatory=declared.mandatory,
        )
        if expires_at is not None and expires_at <= self.now:
            return OVER.code, rule
        if whom is not None and target.person is None:
            return ERASED.code, rule
        if whom in self.one.without:
            return CANCELLED.code, rule
        if target.to is None:
            return NOWHERE[target.channel], rule
        if code := self._stopped(target):
            return code, rule
        return (self._kept(target) if allowed else PREFERENCE), rule

    def _kept(self, target: _Target) -> str | None:
        """The code of what is kept for a digest; no digest is made of it here."""
        return "digested" if self.one.digest is not None and target.channel != INBOX else None

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
        reason, rule = self._judged(target)
        lives = self.now + timedelta(seconds=one.checked.type.time_to_live)
        own = one.checked.contents.get((target.ordinal, target.channel))
        return MemoryMessage(
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
            reason=reason,
            rule=rule if reason == PREFERENCE else None,
            decided_at=self.now,
            expires_at=min(one.expires_at or lives, lives),
        )
