"""Who gets a notification, and why not: in Python what `DECIDE` says in SQL, held against it by a test.

Messages are sent as they are decided, or as their reader's quiet hours end: nobody calls a provider.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from singr_comms.catalogue import INBOX
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.notifications.sending._try import ERASED, NO_DEVICE, OVER, PREFERENCE, UNQUIET
from singr_comms.notifying._asked import bite_of, pause_after, quiet_of
from singr_comms.notifying._words import CANCELLED, CHOSEN, MAILLESS, NOWHERE, QUIETLY_OVER
from singr_comms.notifying.checking import EVERYBODY
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.memory._judging import Judging
from singr_comms.notifying.memory._model import MemoryMessage, MemoryNotification, Suppressed
from singr_comms.people._memory import MemoryPeople
from singr_comms.people._memory_rows import MemoryRecipient
from singr_db import new_id


class _Target(NamedTuple):
    """Somebody to tell by a channel: their id, themselves where they are there still, and the address."""

    channel: str
    ordinal: int
    whom: UUID | None
    person: MemoryRecipient | None
    to: Any


class _Judged(NamedTuple):
    """Why a message is not sent, the rule of it, and for which digest it is kept."""

    why: str | None
    rule: str
    digest: Period | None = None


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

    def _locale(self, target: _Target) -> str | None:
        """The language of the device that a push goes to, else its reader's."""
        if target.person is None:
            return None
        devices = self.people.tokens(target.person.id) if target.channel == PUSH.name else {}
        spoken = devices[target.to].locale if target.to in devices else None
        return spoken or target.person.given.locale

    def again(self, message: MemoryMessage) -> MemoryMessage:
        """Look at one that waited as its attempt begins; returns it as it is then."""
        person = None if message.recipient_id is None else self.people.by_id().get(message.recipient_id)
        target = _Target(message.channel, EVERYBODY, message.recipient_id, person, message.to)
        if message.expires_at is not None and message.expires_at <= self.now:
            return message.not_sent(OVER.code)
        if person is not None and message.channel == PUSH.name and message.to not in self.people.tokens(person.id):
            return message.not_sent(NO_DEVICE.code)
        why, rule = self._refused(target)
        if why is not None:
            return message.not_sent(why, rule)
        until = self._quiet_until(target)
        if until is not None and quiet_of(self.one.checked.type, target.channel, self.one.priority) == "drop":
            return message.not_sent(UNQUIET.code)
        return replace(message, waits_until=until)

    def _judged(self, target: _Target, expires_at: datetime) -> _Judged:
        """Why it is not sent, in the order in which `DECIDE` looks."""
        why, rule = self._refused(target)
        if why is not None or target.channel == INBOX:
            return _Judged(why, rule)
        declared, priority = self.one.checked.type, self.one.priority
        often = self._judging.often(target.whom, declared, target.channel, priority)
        is_mailed = target.person is not None and target.person.address("email") is not None
        period = self._judging.chosen_digest(target.person, declared, often, self.one.expires_at)
        if period is not None:
            return _Judged(CHOSEN, often.rule or "", period)
        if often.frequency != "immediate" and self.one.digest is not None:
            return _Judged("digested", rule, self.one.digest) if is_mailed else _Judged(MAILLESS, rule)
        until = self._quiet_until(target)
        if until is None:
            return _Judged(None, rule)
        quiet = quiet_of(declared, target.channel, priority)
        if quiet == "digest" and is_mailed:
            return _Judged("digested", rule, "daily")
        return _Judged("quiet_hours" if quiet == "drop" else QUIETLY_OVER if until >= expires_at else None, rule)

    def _refused(self, target: _Target) -> tuple[str | None, str]:
        """Why it is not sent at whatever hour."""
        whom, ends_at = target.whom, self.one.expires_at
        asked = whom if target.person is not None else None
        allowed, rule = self._judging.allowed(asked, self.one.checked.type, target.channel)
        if ends_at is not None and ends_at <= self.now:
            return OVER.code, rule
        if whom is not None and target.person is None:
            return ERASED.code, rule
        if whom in self.one.without:
            return CANCELLED.code, rule
        if target.to is None:
            return NOWHERE[target.channel], rule
        if code := self._judging.stopped(self.one.type, target.channel, target.to):
            return code, rule
        return (None if allowed else PREFERENCE), rule

    def _quiet_until(self, target: _Target) -> datetime | None:
        """When the quiet hours end that it comes in; None where it comes in none, or passes."""
        return self._judging.quiet_until(target.person, self.one.checked.type, target.channel, self.one.priority)

    @property
    def _judging(self) -> Judging:
        return Judging(self.one.organization_id, self.people, self.suppressed, self.now)

    def _message(self, target: _Target) -> MemoryMessage:
        one, person = self.one, target.person
        lives = self.now + timedelta(seconds=one.checked.type.time_to_live)
        expires_at = min(one.expires_at or lives, lives)
        own = one.checked.contents.get((target.ordinal, target.channel))
        said = own or one.checked.contents[EVERYBODY, target.channel]
        message = MemoryMessage(
            id=new_id(),
            organization_id=one.organization_id,
            notification_id=one.id,
            type=one.type,
            channel=target.channel,
            recipient=None if person is None else person.external_id,
            recipient_id=target.whom,
            to=target.to,
            message=said,
            locale=self._locale(target),
            reason=None,
            rule=None,
            words=None,
            decided_at=self.now,
            expires_at=expires_at,
            waits_until=self._quiet_until(target),
        )
        judged = self._judged(target, expires_at)
        if judged.why is not None:
            return replace(message.not_sent(judged.why, judged.rule), digest=judged.digest)
        if target.channel == INBOX and target.whom is not None:
            self.people.inboxes.add(target.whom, said, one.id)
        return message
