"""Would somebody be told now? Asked by what decides it in a fan-out, and as an attempt begins; nothing is counted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import INBOX, message_types
from singr_comms.catalogue._given import held
from singr_comms.notifications import Explainer, QuestionError, SendingExplanation, SendingQuestion, SendingReason
from singr_comms.notifications.reading._explain import faults_in
from singr_comms.notifications.reading._question import Fault, Person, ProviderDoor
from singr_comms.notifications.sending._try import ERASED, UNQUIET, Refused
from singr_comms.notifying._fan_out_sql import ADDRESS
from singr_comms.notifying._words import NOWHERE, UNKNOWN, WORDS, inbox_told, kept_for, quiet_for, reason_of
from singr_comms.notifying.digests._reaching import REACHED
from singr_comms.notifying.memory._explaining import explained_in_memory
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_comms.people import FREQUENCY_SQL, LookedAt, PreferencesLook, closes_sql, may_wait
from singr_comms.people.preferences._rule import rule_values
from singr_db import SealError, TenantSession, sql_text

_LOOK: Final = PreferencesLook()
_MOMENT: Final = "coalesce(CAST(:at AS timestamptz), clock_timestamp())"


def _find(channel: str) -> Any:
    sealed, _, _, join = ADDRESS[channel]
    newest = "device.last_used_at DESC, device.id" if channel == "push" else "r.id"
    return sql_text(
        f"""
SELECT r.id, r.user_id, {sealed} AS sealed, r.email_hash IS NOT NULL AS is_mailed,
       chosen.period, often.rule AS period_rule,
       {closes_sql(_MOMENT, "r", "coalesce(chosen.period, 'daily')")} AS digest_at,
       (SELECT wrapped FROM data_keys WHERE data_keys.id = r.key_id) AS key_wrapped
  FROM recipients AS r {join} CROSS JOIN {FREQUENCY_SQL} AS often
 CROSS JOIN LATERAL (
       SELECT CASE WHEN often.frequency <> 'immediate' AND {REACHED} THEN often.frequency END AS period OFFSET 0
     ) AS chosen
 WHERE r.organization_id = :organization_id
   AND (r.external_id = CAST(:recipient AS text) OR r.user_id = CAST(:user_id AS uuid))
 ORDER BY {newest}
""",  # noqa: S608 - constants
        roles=("tenant",),
    )


_FIND: Final = {channel: _find(channel) for channel in ADDRESS}


_FORM: Final[dict[str, Any]] = {
    "type": str,
    "channel": str,
    "recipient": str | None,
    "user_id": UUID | None,
    "address": str | None,
    "at": datetime | None,
}


class _Asked(msgspec.Struct, frozen=True):
    """A message as the look at recipients takes it."""

    recipient_id: UUID
    kind: str
    channel: str


async def explain(
    session: TenantSession,
    what: str,
    channel: str,
    *,
    explainer: Explainer | None = None,
    recipient: str | None = None,
    user_id: UUID | None = None,
    address: str | None = None,
    at: datetime | None = None,
) -> SendingExplanation:
    """Say whether somebody would be told now, by whom, and all that stands in the way.

    It is asked in the caller's transaction by what decides it: what they and their organization chose, their address or
    devices, suppressions, limits, and breakers of providers. Of somebody with several devices it is told of the one
    that would get it, else of the one that was used last. It is of this channel alone: where several tell the same
    thing, a digest has it once, that of the first of them.

    Args:
        session: fenced to the organization that would tell them.
        what: the name of a message type.
        channel: by which.
        explainer: as `singr_comms.notifications.explainer` builds it; in memory it is not asked.
        recipient: the organization's own id of the person. One of these three is needed.
        user_id: the person's account.
        address: a bare address, number or token, in full: it has no choices.
        at: when (aware); now unless given.

    Raises:
        QuestionError: fields do not fit; it names all of them.
        TypeError: a database is asked without an explainer.
    """
    _check_form(type=what, channel=channel, recipient=recipient, user_id=user_id, address=address, at=at)
    question = SendingQuestion(channel=channel, recipient=address, kind=what, user_id=user_id, at=at)
    whom = _whom(recipient, user_id, address)
    if isinstance(session, KeepsNotifications):
        now = session.notifications.now()
        _check(lambda asked: tuple(faults_in(asked, (), now)), question, whom)
        return explained_in_memory(session.notifications, question, recipient)
    if explainer is None:
        raise TypeError("explainer is needed where a database is asked: singr_comms.notifications.explainer builds it")
    _check(explainer.faults, question, whom)
    if address is not None:
        return await explainer.look(session, question)
    declared = message_types.named(what)
    values = {
        **rule_values(what, declared),
        "organization_id": session.organization_id,
        "channel": channel,
        "recipient": recipient,
        "user_id": user_id,
        "at": at,
        "may_wait": declared is not None and may_wait(declared, channel),
    }
    rows = (await session.execute(_FIND[channel], values)).all()
    if channel == INBOX:
        return await _of_inbox(session, question, rows)
    if not rows:
        return await explainer.look(session, question, Person(nowhere=reason_of(UNKNOWN)))
    doors = await explainer.doors(question)
    first = await _explained(session, explainer, question, rows[0], doors)
    for row in rows[1:] if first.outcome != "sent" else ():
        other = await _explained(session, explainer, question, row, doors)
        if other.outcome == "sent":
            return other
    return first


async def _explained(
    session: TenantSession,
    explainer: Explainer,
    question: SendingQuestion,
    row: Any,
    doors: tuple[ProviderDoor, ...],
) -> SendingExplanation:
    """What becomes of a message to one address of a recipient, or to none."""
    asked = _Asked(row.id, question.kind, question.channel)
    question = msgspec.structs.replace(question, user_id=row.user_id)
    nowhere = NOWHERE[question.channel]
    try:
        address = None if row.sealed is None else explainer.opened(question.channel, row.sealed, row.key_wrapped)
    except SealError:
        address, nowhere = None, ERASED.code
    if address is None:
        looked = await _LOOK.look(session, asked, [])
        person = Person(
            rule=looked.rule, nowhere=reason_of(Refused(nowhere, WORDS[nowhere])), stops=_stops(looked, nowhere)
        )
        return await explainer.look(session, question, person, doors)
    looked = await _LOOK.look(session, asked, explainer.prints(question.channel, address), at=question.at)
    question = msgspec.structs.replace(question, recipient=address)
    is_kept = row.period is not None
    # What is kept for a digest is told at no bad hour.
    stops, waits = tuple(one for one in _stops(looked) if not is_kept or one.code != UNQUIET.code), None
    if not stops and is_kept:
        waits = kept_for(row)
    elif looked.quiet_until is not None:
        stops, waits = quiet_for(looked.quiet_until, question.at or looked.moment, question.kind, row)
    person = Person(rule=looked.rule, stops=stops, waits=waits)
    return await explainer.look(session, question, person, doors)


async def _of_inbox(session: TenantSession, question: SendingQuestion, rows: Sequence[Any]) -> SendingExplanation:
    """What becomes of an item of an inbox: it takes no provider, and has no limit."""
    looked = await _LOOK.look(session, _Asked(rows[0].id, question.kind, INBOX), []) if rows else None
    stops = (reason_of(UNKNOWN),) if looked is None else _stops(looked)
    return inbox_told(question, stops, None if looked is None else looked.rule, is_known=bool(rows))


def _check_form(**given: Any) -> None:
    faults = [Fault(*one) for name, value in given.items() for one in held(value, _FORM[name], name)[1]]
    if faults:
        raise QuestionError(*faults)


def _check(
    faults_of: Callable[[SendingQuestion], tuple[Fault, ...]], question: SendingQuestion, faults: tuple[Fault, ...]
) -> None:
    if question.channel == INBOX:  # it shows what a push says
        if question.recipient is not None:
            faults += (
                Fault("address", "must not be given for an inbox: name recipient or user_id", "conflicting_fields"),
            )
        question = msgspec.structs.replace(question, channel="push", recipient=None)
    if found := (*faults, *map(_named, faults_of(question))):
        raise QuestionError(*found)


def _whom(*given: object) -> tuple[Fault, ...]:
    named = [one for one in given if one is not None]
    if len(named) == 1:
        return ()
    message = "is required, or else user_id or address"
    return (Fault("recipient", message, "conflicting_fields" if named else "required"),)


def _stops(looked: LookedAt, told: str | None = None) -> tuple[SendingReason, ...]:
    return tuple(reason_of(one) for one in looked.stops if one.code != told)


def _named(fault: Fault) -> Fault:
    """The fault of a question, by the name that the field has here."""
    names = {"kind": "type", "recipient": "address"}
    if fault.field == "channel":
        return msgspec.structs.replace(fault, message=f"{fault.message}, {INBOX}")
    return msgspec.structs.replace(fault, field=names.get(fault.field, fault.field))
