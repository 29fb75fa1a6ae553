"""How many messages to one person came to what, in memory: what `PERSON` says in SQL, of messages that tests keep."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, runtime_checkable
from uuid import UUID

from singr_comms.catalogue import INBOX
from singr_comms.channels import CHANNELS
from singr_comms.notifications._reachable import ways_to_write
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.reading._statistics import DeliveryStatistics, statistics_of
from singr_comms.people._memory import MemoryPeople
from singr_comms.people._memory_rows import MemoryRecipient

_PROVIDER = "memory"


class _Message(Protocol):
    """What is counted of a message."""

    @property
    def recipient_id(self) -> UUID | None: ...
    @property
    def type(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def to(self) -> Any: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def decided_at(self) -> datetime: ...


class _Messages(Protocol):
    @property
    def messages(self) -> Sequence[_Message]: ...
    @property
    def now(self) -> Callable[[], datetime]: ...


@runtime_checkable
class KeepsMessages(Protocol):
    """What stands in for a session of `Database.tenant`, and has people and messages of its own."""

    people: MemoryPeople
    notifications: _Messages


class _Row(NamedTuple):
    """One message, as `PERSON` counts them."""

    day: datetime | None
    type: str | None
    channel: str | None
    provider: str | None
    status: str
    code: str
    bucket: int
    user: None = None
    messages: int = 1


def statistics_in_memory(
    session: KeepsMessages, external_id: str, by: Collection[str], first: datetime, last: datetime
) -> DeliveryStatistics:
    """Count what was decided from `first` to `last` of somebody who is there."""
    person, kept = session.people.recipients[external_id], session.notifications
    ways = frozenset(_ways(session.people, person))
    rows = [
        _row(one, by)
        for one in kept.messages
        if first <= one.decided_at < last
        and (one.recipient_id == person.id or (one.recipient_id is None and _address(one) in ways))
    ]
    return statistics_of(rows, first, last, since=first, counted_at=kept.now())


def _ways(people: MemoryPeople, person: MemoryRecipient) -> Iterator[str]:
    """All addresses by which somebody is reached, in each way to write them."""
    for address in (person.given.email, person.given.phone, *people.tokens(person.id)):
        if address is not None:
            yield from ways_to_write(normalized(address))


def _address(one: _Message) -> str | None:
    return None if one.to is None or one.channel == INBOX else normalized(CHANNELS[one.channel].address(one.to))


def _row(one: _Message, by: Collection[str]) -> _Row:
    day = one.decided_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _Row(
        day=day if "day" in by else None,
        type=one.type if "type" in by else None,
        channel=one.channel if "channel" in by else None,
        provider=_PROVIDER if "provider" in by and one.status == "sent" else None,
        status=one.status,
        code=one.reason or "",
        bucket=0 if one.status == "delivered" else -1,  # an item is in its inbox at once
    )
