"""Telling people: stored in the caller's own transaction, decided by a job."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec

from singr_comms.catalogue import Message, message_types
from singr_comms.channels import CHANNELS
from singr_comms.models._message import kind_of
from singr_comms.notifications._intake import MessageIntake
from singr_comms.notifications._rows import CONTENT, RECIPIENT, recipient_hash
from singr_comms.notifying import _sql as sql
from singr_comms.notifying._asked import (
    MOST_NAMED,
    Audience,
    InvalidNotificationError,
    NotificationFault,
    NotificationRequest,
    NotificationStateError,
    PriorityName,
    Target,
    To,
)
from singr_comms.notifying._finding import now_of, recipients_named, topic_named
from singr_comms.notifying._queueing import give_to_job
from singr_comms.notifying.checking import Checked, look_at
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_db import Sealer, TenantSession, new_id
from singr_jobs import Priority
from singr_observability import correlation_id

_encode = msgspec.json.Encoder().encode


class Notified(msgspec.Struct, frozen=True):
    """A stored notification.

    Attributes:
        id: by which it is read, paused and cancelled.
        state: `scheduled` until its time, or `deciding`; the current state of one that already existed.
        is_new: false if its deduplication key was already known.
    """

    id: UUID
    state: str
    is_new: bool


async def notify(
    session: TenantSession,
    what: str | Message,
    to: To | Target,
    *,
    sealer: Sealer,
    data: Mapping[str, Any] | None = None,
    channels: Sequence[str] | None = None,
    priority: Priority | PriorityName = Priority.NORMAL,
    send_at: datetime | None = None,
    expires_at: datetime | None = None,
    deduplication_key: str | None = None,
    replace: bool = False,
    per_minute: int | None = None,
    digest: Period | None = None,
    intake: MessageIntake | None = None,
) -> Notified:
    """Tell people something, in the caller's transaction: they are told exactly when that commits.

    Who gets it by which channel, and who does not and why, is decided when its time has come, by a job: their
    addresses, devices and choices are those of that moment.

    Args:
        session: the caller's open transaction; whose organization it is of.
        what: the name of a message type; or a message, whose variables then are the data, by the channels it is for.
        to: whom: `Target`s, 1,000 at most; or an `Audience`.
        sealer: seals what is said, and bare addresses.
        data: variables of the type, for all channels; each channel uses those that it knows.
        channels: by which to tell; the type's usual ones unless given.
        priority: of its messages, a `Priority` or its name, such as `high`, which is for 100 named ones at most.
        send_at: when (aware, within a year); at once unless given, and where it is past.
        expires_at: after this nothing is sent any more; otherwise the type's time to live says.
        deduplication_key: a second notification of the organization with this key is not made, as long as the first is
            kept: after its end as long as messages of its category are.
        replace: replaces the notification that has the key, while that is still scheduled: it starts afresh, not
            paused, and including recipients who were removed from the other.
        per_minute: so many recipients at most are decided in a minute, for campaigns; of a topic, tags or all.
        digest: keep it for each recipient's next digest of this period, which comes by mail, in place of sending it. An
            inbox gets it at once, and what is read there, or no longer wanted, is left out of the digest.
        intake: refuses, as over HTTP, what no organization may say, such as links to unknown sites: for what somebody
            outside of your code has written. None: your code says it.

    Raises:
        InvalidNotificationError: with everything that is wrong; nothing was stored.
        NotificationStateError: the one to be replaced has begun.
    """
    said: Any = {} if data is None else data
    if isinstance(what, Message):
        models = message_types.of(what).models
        channels = [name for name, model in models.items() if type(what) is model] if channels is None else channels
        own = {name: value for name, value in msgspec.structs.asdict(what).items() if value is not None}
        said = own | {**said} if isinstance(said, Mapping) else said
    asked = NotificationRequest(
        type=kind_of(what) if isinstance(what, Message) else what,
        to=(to,) if isinstance(to, Target) else to,
        channels=channels,  # type: ignore[arg-type] # of what is given here `store` tells whether it has its form
        data=said,
        priority=priority,  # type: ignore[arg-type] # likewise; a name becomes a number there
        send_at=send_at,
        expires_at=expires_at,
        deduplication_key=deduplication_key,
        replace=replace,
        per_minute=per_minute,
        digest=digest,
    )
    return await store(session, asked, sealer=sealer, allow_test=True, intake=intake)


async def store(
    session: TenantSession,
    asked: NotificationRequest,
    *,
    sealer: Sealer,
    allow_test: bool,
    intake: MessageIntake | None = None,
    created_by: str | None = None,
) -> Notified:
    """Look at what is asked for and store it, with the job that decides it; raises as `notify`.

    Args:
        session: the caller's open transaction; whose organization it is of.
        asked: what is asked for.
        sealer: seals what is said, and bare addresses.
        allow_test: take addresses of `.test` too.
        intake: says what an organization may not ask for; None: it is asked for by code of ours.
        created_by: the credential that asks, a key id or `user:` and an id: what waits of it goes with that. None: code
            of ours, which nobody revokes.
    """
    is_timed = asked.send_at is not None or asked.expires_at is not None
    now = await now_of(session) if is_timed else None
    faults, checked, asked = look_at(asked, allow_test=allow_test, intake=intake, now=now)
    audience, recipients, unknown = await _audience(session, asked)
    if faults or unknown or checked is None:
        raise InvalidNotificationError((*faults, *unknown))
    values = {
        "id": new_id(),
        "organization_id": session.organization_id,
        "type": checked.type.name,
        "audience": _encode(audience).decode(),
        "channels": list(checked.channels),
        "priority": int(asked.priority),
        "per_minute": asked.per_minute,
        "digest": asked.digest,
        "send_at": asked.send_at,
        "expires_at": asked.expires_at,
        "deduplication_key": asked.deduplication_key,
        "correlation_id": correlation_id.get(None),
        "created_by": created_by,
    }
    row, known = await _stored(session, values, replaces=asked.replace)
    if known is not None:
        if not asked.replace:
            return Notified(known.id, known.state, is_new=False)
        if known.state != "scheduled":
            words = f"the notification {known.id} has begun ({known.state}): it can no longer be replaced"
            raise NotificationStateError(known.id, known.state, words)
        values["id"] = known.id
        row = await _replaced(session, values)
    await _fill(session, row.id, checked, recipients, sealer)
    which = {"id": row.id, "organization_id": session.organization_id}
    await give_to_job(session, which, row.turn, priority=asked.priority, run_at=asked.send_at)
    return Notified(row.id, row.state, is_new=known is None)


async def _stored(session: TenantSession, values: dict[str, Any], *, replaces: bool) -> tuple[Any, Any]:
    """The row that was made, else the one that has the key already; locked where it may be replaced."""
    if isinstance(session, KeepsNotifications):
        holder = session.notifications.by_key(values["deduplication_key"])
        return (session.notifications.put(values) if holder is None else None), holder
    by_key = sql.BY_KEY_LOCKED if replaces else sql.BY_KEY
    while True:
        row = (await session.execute(sql.STORE, values)).one_or_none()
        known = None if row is not None else (await session.execute(by_key, values)).one_or_none()
        if row is not None or known is not None:
            return row, known
        # The one that had the key was cancelled between the two: the key is free.


async def _replaced(session: TenantSession, values: dict[str, Any]) -> Any:
    """The row that takes the place of the one of its id, with nothing of what that said."""
    if isinstance(session, KeepsNotifications):
        return session.notifications.put(values)
    for statement in sql.FORGET:
        await session.execute(statement, values)
    return (await session.execute(sql.REPLACE, values)).one()


async def _audience(
    session: TenantSession, asked: NotificationRequest
) -> tuple[dict[str, Any], dict[int, UUID], list[NotificationFault]]:
    """Whom, as it is stored, the recipients that are named, and who is not there."""
    if isinstance(asked.to, Audience):
        crowd, missing = await _crowd(session, asked.to)
        return crowd, {}, missing
    several = asked.to if len(asked.to) <= MOST_NAMED else ()  # they are refused for their number
    wanted = {place: one for place, one in enumerate(several) if one.recipient is not None or one.user_id is not None}
    names = [one.recipient for one in wanted.values() if one.recipient is not None]
    users = [one.user_id for one in wanted.values() if one.user_id is not None]
    rows = await recipients_named(session, names, users) if wanted else []
    ids: dict[str | UUID | None, UUID] = {row.external_id: row.id for row in rows}
    ids |= {row.user_id: row.id for row in rows if row.user_id is not None}
    faults, found, first = [], {}, dict[UUID, int]()
    for place, one in wanted.items():
        name = "recipient" if one.recipient is not None else "user_id"
        known = ids.get(getattr(one, name))
        if known is None:
            words = "is not a recipient of this organization: add them first (put_recipient, PUT /v1/recipients/{id})"
            faults.append(NotificationFault(f"to[{place}].{name}", words, "not_found"))
        elif (before := first.setdefault(known, place)) == place:
            found[place + 1] = known
        elif getattr(wanted[before], name) != getattr(one, name):  # the same word twice is seen without the database
            words = f"is the same person as to[{before}]: name each once"
            faults.append(NotificationFault(f"to[{place}].{name}", words, "repeated"))
    return {"kind": "named", "named": len(asked.to)}, found, faults


async def _crowd(session: TenantSession, audience: Audience) -> tuple[dict[str, Any], list[NotificationFault]]:
    if audience.tags is not None:
        return {"kind": "tags", "tags": audience.tags}, []
    if audience.topic is None:
        return {"kind": "all"}, []
    topic_id = await topic_named(session, audience.topic)
    missing = (
        [NotificationFault("to.topic", "there is no topic with this key", "not_found")] if topic_id is None else []
    )
    return {"kind": "topic", "topic": audience.topic, "topic_id": str(topic_id)}, missing


async def _fill(
    session: TenantSession, notification_id: UUID, checked: Checked, recipients: Mapping[int, UUID], sealer: Sealer
) -> None:
    if isinstance(session, KeepsNotifications):
        session.notifications.fill(notification_id, checked, recipients)
        return
    which = {"id": notification_id, "organization_id": session.organization_id}
    contents = [(*key, sealer.seal(_encode(said), context=CONTENT)) for key, said in checked.contents.items()]
    ordinals, channels, sealed = zip(*contents, strict=True)
    lengths = list(map(len, sealed))
    values = {
        "ordinals": list(ordinals),
        "channels": list(channels),
        "starts": list(accumulate(lengths[:-1], initial=1)),
        "lengths": lengths,
        "contents": b"".join(sealed),  # not an array: that is written as text, half a second for each megabyte
    }
    await session.execute(sql.CONTENTS, {**which, **values})
    targets: list[tuple[Any, ...]] = [(ordinal, one, None, None, None, None) for ordinal, one in recipients.items()]
    for ordinal, address in checked.addresses.items():
        channel, to = CHANNELS[address.channel], address.to
        written = sealer.seal(channel.encoded(to), context=RECIPIENT)
        print_ = recipient_hash(sealer, channel.address(to))
        targets.append((ordinal, None, channel.name, written, print_, channel.masked(to)))
    if targets:
        columns = ("ordinals", "recipients", "channels", "sealed", "hashes", "masked")
        by_column = zip(columns, map(list, zip(*targets, strict=True)), strict=True)
        await session.execute(sql.TARGETS, {**which, **dict(by_column)})
