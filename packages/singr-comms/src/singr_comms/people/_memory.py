"""People in memory: an organization's, as users' tests have them in place of the tables (see `singr_comms.testing`)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar, runtime_checkable
from uuid import UUID

import msgspec

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.notifications._rows import normalized
from singr_comms.people._directory import Member
from singr_comms.people._memory_inboxes import MemoryInboxes
from singr_comms.people._memory_rows import MemoryChoice, MemoryFrequency, MemoryRecipient, MemoryTopic
from singr_comms.people.preferences._frequency import Frequencies, Frequency
from singr_comms.people.preferences._rule import Choice, Choices, ended_by
from singr_comms.people.recipients._model import (
    DefaultDigestTime,
    NamedRecipient,
    as_kept,
)
from singr_db import new_id
from singr_db.tables import PushDevice, Recipient

_TABLES: Final = ("recipients", "topics", "_devices", "_choices", "_frequencies", "gone", "ended")


K = TypeVar("K", MemoryChoice, MemoryFrequency)


@runtime_checkable
class KeepsPeople(Protocol):
    """What stands in for a session of `Database.tenant`, and has people of its own."""

    people: "MemoryPeople"


@dataclass
class MemoryPeople:
    """One organization's people.

    Attributes:
        now: the time.
        digest_default: when digests come to those who have not said when.
        inboxes: theirs.
        gone: who was taken off the list, by the ids that they had.
        erased: of these, who is forgotten.
        ended: channels, addresses and categories that these were unsubscribed from.
        to_reach: notifications that have yet to reach a topic's members.
    """

    now: Callable[[], datetime]
    digest_default: DefaultDigestTime = field(default_factory=DefaultDigestTime)
    recipients: dict[str, MemoryRecipient] = field(default_factory=dict)
    topics: dict[str, MemoryTopic] = field(default_factory=dict)
    _devices: dict[str, PushDevice] = field(default_factory=dict)
    _choices: dict[tuple[UUID | None, Choice], MemoryChoice] = field(default_factory=dict)
    _frequencies: dict[tuple[UUID | None, Choice], MemoryFrequency] = field(default_factory=dict)
    inboxes: MemoryInboxes = field(init=False)
    gone: dict[str, frozenset[UUID]] = field(default_factory=dict)
    erased: frozenset[UUID] = frozenset()
    ended: dict[tuple[str, str, str], None] = field(default_factory=dict)
    to_reach: Callable[[UUID], Sequence[UUID]] = lambda _topic: ()

    def __post_init__(self) -> None:
        """Give them inboxes, by the same clock."""
        self.inboxes = MemoryInboxes(self.now)

    def saved(self) -> Callable[[], None]:
        """What brings back what they are now."""
        tables = {name: dict(getattr(self, name)) for name in _TABLES}
        values = {"digest_default": self.digest_default, "erased": self.erased}
        restore_inboxes = self.inboxes.saved()

        def restore() -> None:
            restore_inboxes()
            vars(self).update({name: dict(table) for name, table in tables.items()}, **values)

        return restore

    # --- recipients ---------------------------------------------------------------------------------------------------

    def by_id(self) -> Mapping[UUID, MemoryRecipient]:
        """Everybody, in the order in which they were made."""
        return {one.id: one for one in sorted(self.recipients.values(), key=attrgetter("id"))}

    def find(self, external_ids: Collection[str], user_ids: Collection[UUID]) -> list[MemoryRecipient]:
        """Those who are named."""
        return [one for one in self.recipients.values() if one.external_id in external_ids or one.user_id in user_ids]

    def taken(self, users: Collection[UUID], ids: Collection[str]) -> set[UUID]:
        """Of these accounts, those that recipients of other ids have."""
        others = (one for one in self.recipients.values() if one.external_id not in ids)
        return {one.user_id for one in others if one.user_id in users and one.user_id is not None}

    def put(
        self,
        given: Sequence[NamedRecipient],
        copied: Mapping[str, Collection[str]],
        members: Mapping[UUID, Member] = MappingProxyType({}),
    ) -> int:
        """Keep them, with what of each came from their account; returns how many are new."""
        created = 0
        for one in given:
            known = self.recipients.get(one.external_id)
            account = None if known is None else known.user_id or known.last_user_id
            if known is not None and is_another(one.user_id, account):
                known = self._heir(known)
            own = {field: getattr(known.given, field) for field in known.own_times} if known else {}
            own = {field: value for field, value in own.items() if getattr(one, field) is None}
            now = MemoryRecipient(
                id=known.id if known else new_id(),
                given=as_kept(msgspec.structs.replace(one, **own)),
                last_user_id=one.user_id or account,
                copied=tuple(copied[one.external_id]),
                own_times=tuple(own),
                has_first_address=known is None or _keeps_address(known, one),
                created_at=known.created_at if known else self.now(),
                updated_at=self.now(),
            )
            if known is not None:
                self._keep_ended(known, now.ways())
                self._part(known, now.user_id)
                self._tie(known, now.user_id, members)
            self.recipients[one.external_id] = now
            created += known is None
        return created

    def follow(self, before: Member, now: Member | None) -> None:
        """Let what came from an account be what it says now; None: it has ended."""
        for known in list(self.recipients.values()):
            if known.last_user_id == before.user_id and (known.user_id == before.user_id or now is None):
                told: dict[str, Any] = {name: now and getattr(now, name) for name in known.copied}
                told["user_id"] = now and known.user_id
                given = msgspec.structs.replace(known.given, **told)
                self._part(known, given.user_id)
                kept = {"given": given, "copied": known.copied if now else (), "updated_at": self.now()}
                self.recipients[known.external_id] = msgspec.structs.replace(known, **kept)

    def _tie(self, known: MemoryRecipient, user_id: UUID | None, members: Mapping[UUID, Member]) -> None:
        """Let an account that somebody gets see what it may of their inbox."""
        if user_id is None or user_id == known.user_id:
            return
        email = members[user_id].email if user_id in members else None
        is_proved = (
            known.last_user_id is None
            and known.has_first_address
            and email is not None
            and known.ways().get(EMAIL.name) == normalized(email)
        )
        self.inboxes.tie(known.id, is_again=known.last_user_id == user_id, is_proved=is_proved)

    def _part(self, known: MemoryRecipient, user_id: UUID | None) -> None:
        """Let devices that somebody registered themselves go with their account's tie, and note where it ended."""
        if known.user_id not in {None, user_id}:
            self.inboxes.leave(known.id)
            self._devices = {
                token: one for token, one in self._devices.items() if one.recipient_id != known.id or not one.is_own
            }

    def set_times(self, external_id: str, times: Mapping[str, Any]) -> None:
        """Keep by which clock somebody lives, and what they want of it, by the names of recipients' fields."""
        known = self.recipients[external_id]
        given = as_kept(msgspec.structs.replace(known.given, **times))
        own = tuple(field for field, value in times.items() if value is not None)
        kept = msgspec.structs.replace(known, given=given, own_times=own, updated_at=self.now())
        self.recipients[external_id] = kept

    def _heir(self, former: MemoryRecipient) -> MemoryRecipient:
        """Let somebody else have the id, with its topics and what the organization chose for it."""
        heir = msgspec.structs.replace(former, id=new_id(), own_times=(), created_at=self.now())
        for key, topic in self.topics.items():
            if former.id in topic.members:
                self.topics[key] = msgspec.structs.replace(topic, members=topic.members | {heir.id})
        _pass_on(self._choices, former.id, heir.id)
        _pass_on(self._frequencies, former.id, heir.id)
        self.remove(former.external_id)
        return heir

    def remove(self, external_id: str) -> bool:
        """Take somebody off, with devices, topics, choices and inbox; False where there is nobody."""
        gone = self.recipients.pop(external_id, None)
        if gone is None:
            return False
        self._keep_ended(gone, {})
        self.inboxes.remove(gone.id)
        self.gone[external_id] = self.gone.get(external_id, frozenset()) | {gone.id}
        self._devices = {token: one for token, one in self._devices.items() if one.recipient_id != gone.id}
        self._choices = {key: one for key, one in self._choices.items() if one.recipient_id != gone.id}
        self._frequencies = {key: one for key, one in self._frequencies.items() if one.recipient_id != gone.id}
        for key, topic in self.topics.items():
            self.topics[key] = msgspec.structs.replace(topic, members=topic.members - {gone.id})
        return True

    def erase(self, external_id: str) -> bool:
        """Forget somebody, also who was taken off before; False where there is nobody to forget."""
        self.remove(external_id)
        former = self.gone.pop(external_id, frozenset())
        self.erased |= former
        return bool(former)

    def row(self, external_id: str | None = None, *, user_id: UUID | None = None) -> Recipient | None:
        """Somebody as a row, as far as callers use it; None where there is nobody."""
        for one in self.recipients.values():
            if one.external_id == external_id or (user_id is not None and one.user_id == user_id):
                return Recipient(id=one.id, external_id=one.external_id, user_id=one.user_id)
        return None

    # --- devices ------------------------------------------------------------------------------------------------------

    def register(self, recipient_id: UUID, token: str, *, most: int, **values: Any) -> tuple[PushDevice, bool]:
        """Give somebody a device; returns it, and whether it is new to them. They keep so many at `most`."""
        known = self._devices.pop(token, None)
        theirs = known if known is not None and known.recipient_id == recipient_id else None
        device = PushDevice(
            id=new_id() if theirs is None else theirs.id,
            recipient_id=recipient_id,
            token_masked=PUSH.masked(token),
            created_at=self.now() if theirs is None else theirs.created_at,
            last_used_at=self.now(),
            off_at=None,
            off_reason=None,
            **values | {"is_own": values["is_own"] or (theirs is not None and theirs.is_own)},
        )
        self._devices[token] = device  # the one used last is the last
        for old in list(self.tokens(recipient_id))[:-most]:
            del self._devices[old]
        return device, theirs is None

    def tokens(self, recipient_id: UUID) -> dict[str, PushDevice]:
        """By which tokens somebody is reached, each with its device, the one used last at the end."""
        return {token: one for token, one in self._devices.items() if one.recipient_id == recipient_id}

    def devices(self, recipient_id: UUID) -> list[PushDevice]:
        """Somebody's devices, the one used last first."""
        return list(self.tokens(recipient_id).values())[::-1]

    def remove_device(self, recipient_id: UUID, device_id: UUID) -> bool:
        """Take a device off; False where they have none of that id."""
        for token in list(self.tokens(recipient_id)):
            if self._devices[token].id == device_id:
                del self._devices[token]
                return True
        return False

    # --- topics -------------------------------------------------------------------------------------------------------

    def change_topic(self, key: str, add: Collection[str], remove: Collection[str]) -> dict[str, int]:
        """Change who is a member; returns how many were `added` and `removed`."""
        topic = self.topics.get(key) or MemoryTopic(id=new_id(), members=frozenset(), created_at=self.now())
        going = topic.members & {one.id for one in self.find(remove, ())}
        coming = {one.id for one in self.find(add, ())} - topic.members
        self.topics[key] = msgspec.structs.replace(topic, members=topic.members - going | coming)
        return {"added": len(coming), "removed": len(going)}

    # --- choices ------------------------------------------------------------------------------------------------------

    def choose(self, recipient_id: UUID | None, choices: Collection[tuple[Choice, bool | None]], source: str) -> None:
        """Keep choices of a recipient or, without one, of the organization; None takes one back."""
        for where, allowed in choices:
            self._choices.pop((recipient_id, where), None)
            if allowed is not None:
                kept = self._placed(recipient_id, where, source)
                self._choices[recipient_id, where] = MemoryChoice(**kept, allowed=allowed)

    def choose_often(
        self, recipient_id: UUID | None, choices: Collection[tuple[Choice, Frequency | None]], source: str
    ) -> None:
        """Likewise, of how often."""
        for where, frequency in choices:
            self._frequencies.pop((recipient_id, where), None)
            if frequency is not None:
                kept = self._placed(recipient_id, where, source)
                self._frequencies[recipient_id, where] = MemoryFrequency(**kept, frequency=frequency)

    def _placed(self, recipient_id: UUID | None, where: Choice, source: str) -> dict[str, Any]:
        return {
            **dict(zip(("scope", "name", "channel"), where, strict=True)),
            "recipient_id": recipient_id,
            "source": source,
            "updated_at": self.now(),
        }

    def choices(self, recipient_id: UUID | None) -> list[MemoryChoice]:
        """A recipient's choices and the organization's, in the order of the table's."""
        return sorted((one for one in self._choices.values() if one.recipient_id in {recipient_id, None}), key=_order)

    def frequencies(self, recipient_id: UUID | None) -> list[MemoryFrequency]:
        """Likewise, of how often."""
        return sorted(
            (one for one in self._frequencies.values() if one.recipient_id in {recipient_id, None}), key=_order
        )

    def _keep_ended(self, leaving: MemoryRecipient, stays: Mapping[str, str]) -> None:
        """Let addresses that somebody leaves keep what they ended themselves."""
        ended = ended_by(one for one in self._choices.values() if one.recipient_id == leaving.id)
        for channel, address in leaving.ways().items():
            if address != stays.get(channel):
                self.ended |= {(channel, address, category): None for by, category in ended if by == channel}

    def ended_for(self, recipient_id: UUID) -> frozenset[tuple[str, str]]:
        """The channels and categories that somebody's addresses were unsubscribed from."""
        ways = self.by_id()[recipient_id].ways().items()
        return frozenset((channel, category) for channel, at, category in self.ended if (channel, at) in ways)

    def lift_ended(self, recipient_id: UUID, lifted: Collection[tuple[str, str]]) -> None:
        """Let them get these again."""
        for channel, category in lifted:
            self.ended.pop((channel, self.by_id()[recipient_id].ways()[channel], category), None)

    def chosen(self, recipient_id: UUID | None) -> Choices:
        """A recipient's choices or, without one, the organization's, as `decide` takes them."""
        return {where: one.allowed for (whose, where), one in self._choices.items() if whose == recipient_id}

    def chosen_often(self, recipient_id: UUID | None) -> Frequencies:
        """Likewise, as `frequency_of` takes them."""
        return {where: one.frequency for (whose, where), one in self._frequencies.items() if whose == recipient_id}


def _pass_on(kept: dict[tuple[UUID | None, Choice], K], former: UUID, heir: UUID) -> None:
    """Let what the organization chose for somebody be chosen for their heir."""
    for (whose, where), one in list(kept.items()):
        if whose == former and one.source == "organization":
            kept[heir, where] = msgspec.structs.replace(one, recipient_id=heir)


def _keeps_address(known: MemoryRecipient, given: NamedRecipient) -> bool:
    """Whether somebody has had one address, and nobody's account, from the first."""
    now = given.email and normalized(given.email)
    return known.has_first_address and known.last_user_id is None and known.ways().get(EMAIL.name) == now


def _order(one: MemoryChoice | MemoryFrequency) -> tuple[tuple[bool, str | None], ...]:
    return tuple((text is None, text) for text in (one.scope, one.name, one.channel))


def is_another(account: UUID | None, before: UUID | None) -> bool:
    """Whether an id that was an account's last is given to another one."""
    return None not in {account, before} and account != before
