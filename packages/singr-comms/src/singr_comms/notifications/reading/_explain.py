"""Why a message would not go, or by whom it would: decided by what decides when it is sent; nothing is counted."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from singr_comms.catalogue import message_types
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._provider_health import ProviderView, providers_beside
from singr_comms.notifications._rows import RECIPIENT, prints_of, recipient_hash
from singr_comms.notifications._suppression_list import suppression_view
from singr_comms.notifications.channels import WORK, rates_of
from singr_comms.notifications.reading._question import (
    Fault,
    Person,
    ProviderDoor,
    QuestionError,
    SendingExplanation,
    SendingQuestion,
    SendingReason,
    naive,
)
from singr_comms.notifications.reading._room import AskedQuotas, AskedSmsGuards
from singr_comms.notifications.sending._guards import PREFIX_LIMIT, REGION_LIMIT
from singr_comms.notifications.sending._line_ups import Wait, from_first_open, shut
from singr_comms.notifications.sending._pace import Pace, paced
from singr_comms.notifications.sending._quotas import ORGANIZATION_LIMIT, RECIPIENT_LIMIT, USER_LIMIT
from singr_comms.notifications.sending._suppressions import CODES, Suppressions
from singr_config import LimitSettings
from singr_config.clock import clock
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, TenantSession, new_id
from singr_db.tables import Suppression

_AHEAD: Final = timedelta(days=366)
_CLOCKS_APART: Final = timedelta(minutes=1)
_BY_THE_HOUR: Final = frozenset({USER_LIMIT, RECIPIENT_LIMIT, PREFIX_LIMIT, REGION_LIMIT})
_REFUSED: Final = frozenset({"unreachable", "reserved", "unknown_recipient"})
_CONSOLE: Final = "console"


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the rules look at it, which lies nowhere."""

    channel: str
    kind: str
    user_id: UUID | None
    recipient_sealed: bytes
    key_wrapped: None
    recipient_hash: bytes


class Explainer:
    """Says what would become of a message of an organization.

    Limits, suppressions and breakers are asked by the code that asks them when a message is sent; where that counts
    one, this looks whether one more would be too many. What a queue does with the job, `singr_jobs.explain` tells.
    What is of all organizations is asked by `Database.psycopg`: whoever has a session waits for no second one.

    Args:
        db: the database.
        sealer: made from `AUTH_SECRET`: finds an address by its fingerprint.
        limits: as the sender's.
        allow_test: addresses of `.test` are taken, as in development.
        providers: the names of those who send, by channel, in the order in which they are called: as the sender's.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        *,
        limits: LimitSettings,
        allow_test: bool = False,
        **providers: Sequence[str],
    ) -> None:
        if providers.keys() != WORK.keys():
            raise TypeError(f"Explainer needs the providers of each channel: {', '.join(sorted(WORK))}")
        self._db, self._sealer, self._limits, self._allow_test = db, sealer, limits, allow_test
        self._providers = providers
        self._suppressions = Suppressions(sealer)
        self._pace = Pace(db, limits.providers)

    async def explain(self, organization_id: UUID, question: SendingQuestion) -> SendingExplanation:
        """Say whether a message would go, why not, and by whom.

        Args:
            organization_id: whose message it would be.
            question: which message.

        Raises:
            QuestionError: fields of the question do not fit; it names all of them.
        """
        async with self._db.tenant(organization_id) as session:
            return await self.look(session, question)

    async def look(
        self,
        session: TenantSession,
        question: SendingQuestion,
        person: Person | None = None,
        doors: tuple[ProviderDoor, ...] | None = None,
    ) -> SendingExplanation:
        """The same, in the caller's transaction, and with what is known of the recipient.

        Args:
            session: fenced to the organization whose message it would be.
            question: which message.
            person: what stands in its way beside the address.
            doors: who sends, where `doors` has told it; otherwise it is asked.

        Raises:
            QuestionError: fields of the question do not fit; it names all of them.
        """
        person = person or Person()
        self.check(question)
        channel = WORK[question.channel].channel
        to = None if question.recipient is None else channel.to(question.recipient)
        moment = question.at or clock.now()
        reasons = list(refusals(session.organization_id, question, to, allow_test=self._allow_test))
        reasons += [] if person.nowhere is None else [person.nowhere]
        row = None if to is None else self._row(question, to)
        if row is not None:
            reasons += [one async for one in self._suppressed(session, row, question.at)]
        reasons += person.stops
        if row is not None:
            reasons += [one async for one in self._limited(session, row, question.at, moment)]
        doors = await self.doors(question) if doors is None else doors
        chosen, waits = await self._first(doors)
        if chosen is not None and question.at is None and (wait := await self._pace.look(channel.name, chosen)):
            waits, chosen = [*waits, paced(chosen, wait)], None
        outcome, words = told(question, reasons, chosen, waits)
        if not reasons and person.waits is not None:
            outcome, words, chosen = "waits", f"It would wait: {person.waits.in_words}.", None
            reasons = [person.waits]
        if chosen is None:
            reasons += [_waiting(one, moment) for one in waits]
        return SendingExplanation(
            outcome=outcome,
            in_words=words,
            channel=channel.name,
            kind=question.kind,
            recipient=None if to is None else channel.masked(to),
            at=moment,
            provider=chosen if outcome == "sent" else None,
            rule=person.rule,
            reasons=tuple(replace(one, decides=place == 0) for place, one in enumerate(reasons)),
            providers=doors,
        )

    def check(self, question: SendingQuestion) -> None:
        """Return where a question can be answered.

        Raises:
            QuestionError: fields of it do not fit; it names all of them.
        """
        if faults := self.faults(question):
            raise QuestionError(*faults)

    def faults(self, question: SendingQuestion) -> tuple[Fault, ...]:
        """What is wrong with a question."""
        return tuple(faults_in(question, self._providers.get(question.channel, ()), clock.now()))

    def prints(self, channel: str, recipient: str) -> list[bytes]:
        """Every fingerprint of an address, a number or a token."""
        return prints_of(self._sealer, WORK[channel].channel.address(WORK[channel].channel.to(recipient)))

    def opened(self, channel: str, sealed: bytes, key_wrapped: bytes | None) -> str:
        """The address that is kept of a recipient for a channel.

        Raises:
            singr_db.SealError: its key is gone.
        """
        of = WORK[channel].channel
        return of.address(of.decoded(open_sealed(self._sealer, sealed, key_wrapped, context=RECIPIENT)))

    def _row(self, question: SendingQuestion, to: Any) -> _Row:
        channel = WORK[question.channel].channel
        return _Row(
            channel=channel.name,
            kind=question.kind,
            user_id=question.user_id,
            recipient_sealed=self._sealer.seal(channel.encoded(to), context=RECIPIENT),
            key_wrapped=None,
            recipient_hash=recipient_hash(self._sealer, channel.address(to)),
        )

    async def _suppressed(self, session: TenantSession, row: _Row, at: datetime | None) -> Any:
        stopping = await self._suppressions.stopping(session, row, at)
        if stopping is not None:
            code, words = CODES[stopping.reason]
            view = suppression_view(await session.get_one(Suppression, stopping.id), session)
            yield SendingReason(
                code=code, in_words=words, since=view.created_at, until=view.expires_at, suppression=view
            )

    async def _limited(self, session: TenantSession, row: _Row, at: datetime | None, moment: datetime) -> Any:
        guards = AskedSmsGuards(self._sealer, self._limits)
        quotas = AskedQuotas(self._sealer, **rates_of(self._limits), guards=guards)
        guards.db, guards.at, quotas.at = self._db, at, at
        over = await quotas.count(session, new_id(), row, self._suppressions.address(row))
        if over is not None:
            yield SendingReason(code=over[0], in_words=over[1], until=_over(over[0], moment))

    async def doors(self, question: SendingQuestion) -> tuple[ProviderDoor, ...]:
        """Say whether each provider would be called: as workers found it; of a later time nobody knows."""
        known = {(one.channel, one.name): one for one in await providers_beside(self._db.psycopg)}
        line_up = self._providers[question.channel]
        asked = line_up if question.provider is None else [question.provider]
        return tuple(_door(name, known.get((question.channel, name)), later=question.at is not None) for name in asked)

    async def _first(self, doors: Sequence[ProviderDoor]) -> tuple[str | None, list[Wait]]:
        async def wait(door: ProviderDoor) -> Wait | None:
            return None if door.is_called else shut(door.provider, 0.0, refuses=door.state == "refusing")

        called, waits = await from_first_open(doors, wait)
        return (called[0].provider if called else None), waits


def faults_in(question: SendingQuestion, line_up: Sequence[str], now: datetime) -> Iterator[Fault]:
    """What is wrong with a question that is asked now, of who sends by its channel."""
    work = WORK.get(question.channel)
    if work is None:
        yield Fault("channel", f"must be one of {', '.join(sorted(WORK))}", "unknown_value")
        return
    channel = work.channel
    declared = message_types.named(question.kind)
    if declared is None or channel.name not in declared.models:
        known = ", ".join(sorted(one.name for one in message_types if channel.name in one.models))
        yield Fault("kind", f"must be a type of message that is sent by {channel.name}: {known}", "unknown_value")
    try:
        if question.recipient is not None:
            channel.to(question.recipient)
    except msgspec.ValidationError:
        yield Fault("recipient", f"must be an address for {channel.name}, such as {channel.such_as}", "malformed")
    if question.provider is not None and question.provider not in line_up:
        yield Fault("provider", f"must be one that sends {channel.name}: {', '.join(line_up)}", "unknown_value")
    if question.at is not None and question.at.tzinfo is None:
        yield naive("at")
    elif question.at is not None and not -_CLOCKS_APART < question.at - now < _AHEAD:
        yield Fault("at", "must not be in the past, or more than 366 days ahead", "out_of_range")


def refusals(organization_id: UUID, question: SendingQuestion, to: Any, *, allow_test: bool) -> Iterator[SendingReason]:
    """What an intake refuses, so that there would be no message at all."""
    declared = message_types.named(question.kind)
    ours = organization_id == PLATFORM_ORGANIZATION_ID
    if declared is not None and declared.speaks_for != "organization" and not ours:
        words = "messages of this type are sent only by the platform itself"
        yield SendingReason(code="reserved", in_words=words)
    if to is None:
        return
    for wrong in WORK[question.channel].unreachable(to, allow_test=allow_test).values():
        yield SendingReason(code="unreachable", in_words=f"the recipient {wrong}")


def _waiting(wait: Wait, moment: datetime) -> SendingReason:
    seconds, words, code = wait
    return SendingReason(code=code, in_words=words, until=moment + timedelta(seconds=seconds) if seconds else None)


def _door(name: str, view: ProviderView | None, *, later: bool) -> ProviderDoor:
    if view is None or view.state == "closed":
        return ProviderDoor(provider=name, state="closed", is_called=True)
    probes = view.state == "open" and view.forced is None and view.probe_at is not None
    due = probes and view.probe_at is not None and view.probe_at <= clock.now()
    return ProviderDoor(
        provider=name, state=view.state, is_called=later or due, probe_at=view.probe_at if probes else None
    )


def _over(code: str, moment: datetime) -> datetime | None:
    """When a limit begins anew: with the next hour or day (UTC)."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if code in _BY_THE_HOUR:
        return hour + timedelta(hours=1)
    return hour.replace(hour=0) + timedelta(days=1) if code == ORGANIZATION_LIMIT else None


def told(
    question: SendingQuestion, reasons: Sequence[SendingReason], provider: str | None, waits: Sequence[Wait]
) -> tuple[Any, str]:
    """What would become of a message, and that for people."""
    if reasons:
        first = reasons[0]
        refused = first.code in _REFUSED
        what = "It would be refused, and not stored" if refused else "It would not be sent"
        return "refused" if refused else "stopped", f"{what}: {first.in_words}."
    why = "; ".join(words for _, words, _ in waits)
    if provider is None:
        return "waits", f"It would wait until a provider can be called: {why}."
    if provider == _CONSOLE:
        return "sent", "It would be written to the worker's log: no messages leave by this channel (ENABLE_…_SENDING)."
    if question.at is not None:
        return "sent", f"It would be sent by {provider}, if that works then."
    return "sent", f"It would be sent now by {provider}{f', as {why}' if why else ''}."
