"""Would somebody be told now? In memory, by what decides it there; nothing is counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from singr_comms.catalogue import INBOX, MessageType, message_types
from singr_comms.channels import CHANNELS
from singr_comms.notifications import SendingExplanation, SendingQuestion, SendingReason
from singr_comms.notifications.reading._explain import refusals, told
from singr_comms.notifications.sending._try import PREFERENCE, UNQUIET, UNWANTED, Refused
from singr_comms.notifying._words import NOWHERE, UNKNOWN, WORDS, inbox_told, kept_for, quiet_for, reason_of
from singr_comms.notifying.memory._judging import Judging
from singr_comms.notifying.memory._room import Counted, next_room
from singr_comms.notifying.memory._store import MemoryNotified
from singr_comms.people._memory_rows import MemoryRecipient
from singr_jobs import Priority

_PROVIDER: Final = "memory"


class _Row(msgspec.Struct, frozen=True):
    """What `kept_for` and `quiet_for` are told of a person."""

    is_mailed: bool
    period: str | None
    period_rule: str | None
    digest_at: datetime


def explained_in_memory(
    notified: MemoryNotified, question: SendingQuestion, recipient: str | None
) -> SendingExplanation:
    """Answer a question that is checked; of several devices by the one that would get it, else the one used last."""
    moment = question.at or notified.now()
    declared = message_types.named(question.kind)
    if declared is None:
        raise LookupError(question.kind)
    asked = _Asked(notified, question, declared, moment)
    if question.recipient is not None:
        return asked.answer(None, CHANNELS[question.channel].to(question.recipient), is_known=True)
    everybody = notified.people.by_id().values()
    person = next(
        (
            one
            for one in everybody
            if (recipient is not None and one.external_id == recipient)
            or (question.user_id is not None and one.user_id == question.user_id)
        ),
        None,
    )
    if question.channel == INBOX:
        return asked.of_inbox(person)
    if person is None:
        return asked.answer(None, None, is_known=False)
    found = [asked.answer(person, to, is_known=True) for to in asked.addresses(person)]
    return next((one for one in found if one.outcome == "sent"), found[0])


@dataclass(frozen=True)
class _Asked:
    notified: MemoryNotified
    question: SendingQuestion
    declared: MessageType
    moment: datetime

    @property
    def judging(self) -> Judging:
        """What decides."""
        one = self.notified
        return Judging(one.organization_id, one.people, one.suppressed, self.moment)

    def addresses(self, person: MemoryRecipient) -> list[Any]:
        """Where somebody is reached, the device used last first; or nowhere."""
        if self.question.channel == "push":
            return list(self.notified.people.tokens(person.id))[::-1] or [None]
        return [person.address(self.question.channel)]

    def of_inbox(self, person: MemoryRecipient | None) -> SendingExplanation:
        """What becomes of an item."""
        if person is None:
            return inbox_told(self.question, [reason_of(UNKNOWN)], None, is_known=False, at=self.moment)
        allowed, rule = self.judging.allowed(person.id, self.declared, INBOX)
        stops = [] if allowed else [_unwanted(rule)]
        return inbox_told(self.question, stops, rule, is_known=True, at=self.moment)

    def answer(self, person: MemoryRecipient | None, to: Any, *, is_known: bool) -> SendingExplanation:
        """What becomes of a message to an address, or to none."""
        question = self.question
        reasons = list(refusals(self.notified.organization_id, question, to, allow_test=True))
        if to is None:
            nowhere = NOWHERE[question.channel]
            reasons.append(reason_of(Refused(nowhere, WORDS[nowhere]) if is_known else UNKNOWN))
        elif code := self.judging.stopped(question.kind, question.channel, to):
            reasons.append(SendingReason(code=code.partition(" ")[0], in_words=WORDS[code]))
        allowed, rule = self.judging.allowed(None if person is None else person.id, self.declared, question.channel)
        waits = None
        if person is not None:
            stops, waits = self._held(person, is_reached=to is not None)
            reasons += stops if allowed else [_unwanted(rule), *stops]
        if to is not None:
            reasons += self._limited(person, to)
        outcome, words = told(question, reasons, _PROVIDER, ())
        if not reasons and waits is not None:
            outcome, words, reasons = "waits", f"It would wait: {waits.in_words}.", [waits]
        return SendingExplanation(
            outcome=outcome,
            in_words=words,
            channel=question.channel,
            kind=question.kind,
            recipient=None if to is None else CHANNELS[question.channel].masked(to),
            at=self.moment,
            provider=_PROVIDER if outcome == "sent" else None,
            rule=None if person is None else rule,
            reasons=tuple(msgspec.structs.replace(one, decides=place == 0) for place, one in enumerate(reasons)),
            providers=(),
        )

    def _held(self, person: MemoryRecipient, *, is_reached: bool) -> tuple[list[SendingReason], SendingReason | None]:
        """What how often and quiet hours do to it: stop it, or what it waits for."""
        channel, normal = self.question.channel, Priority.NORMAL
        often = self.judging.often(person.id, self.declared, channel, normal)
        period = self.judging.chosen_digest(person, self.declared, often, None)
        closes = self.notified.digests.closes(person, period or "daily", self.moment)
        row = _Row(person.address("email") is not None, period, often.rule, closes)
        if period is not None and is_reached:
            return [], kept_for(row)
        until = self.judging.quiet_until(person, self.declared, channel, normal)
        if until is not None and self.declared.quiet == "drop":
            return [reason_of(UNQUIET)], None
        if until is None or not is_reached or not self.judging.allowed(person.id, self.declared, channel).allowed:
            return [], None
        stops, waits = quiet_for(until, self.moment, self.question.kind, row)
        return list(stops), waits

    def _limited(self, person: MemoryRecipient | None, to: Any) -> Iterator[SendingReason]:
        room, question = self.notified.room, self.question
        if room is None:
            return
        user_id = question.user_id if person is None else person.user_id
        counted = Counted(self.notified.organization_id, question.channel, question.kind, to, user_id)
        if over := room.over(counted, self.moment):
            yield SendingReason(code=over[0], in_words=over[1], until=next_room(over[0], self.moment))


def _unwanted(rule: str) -> SendingReason:
    return reason_of(Refused(PREFERENCE, UNWANTED.format(rule=rule), rule))
