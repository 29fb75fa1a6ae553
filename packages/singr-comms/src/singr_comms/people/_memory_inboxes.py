"""Inboxes in memory, as users' tests have them in place of the tables; marked and counted as the statements do it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from singr_comms.models._message import Message, kind_of
from singr_db import new_id
from singr_db.pages import Page, check_limit, decode_cursor, page_of

# So far that whoever follows an inbox by its positions reads it anew.
_AHEAD: Final = 1_000
_STATES: Final[dict[str, Callable[["MemoryItem"], bool]]] = {
    "archived": lambda one: one.archived_at is not None,
    "snoozed": lambda one: one.snoozed_until is not None and one.archived_at is None,
    "unread": lambda one: one.is_open and one.read_at is None,
    "open": lambda one: one.is_open,
}


@dataclass(frozen=True, kw_only=True)
class MemoryItem:
    """An item of an inbox, by the names of the table's columns; its words are not sealed."""

    id: UUID
    recipient_id: UUID
    notification_id: UUID | None
    message: Message
    position: int
    created_at: datetime
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def kind(self) -> str:
        """The type of its message."""
        return kind_of(self.message)

    @property
    def is_open(self) -> bool:
        """Whether it is neither archived nor snoozed."""
        return self.archived_at is None and self.snoozed_until is None


@dataclass
class MemoryInboxes:
    """An organization's inboxes.

    Attributes:
        now: the time.
        items: of all people, in the order in which they came.
        positions: where each inbox stands.
        hidden: up to which position its items are in none any more: they came before the account that has it.
        left: where it stood as the last account's tie ended.
    """

    now: Callable[[], datetime]
    items: dict[UUID, MemoryItem] = field(default_factory=dict)
    positions: dict[UUID, int] = field(default_factory=dict)
    hidden: dict[UUID, int] = field(default_factory=dict)
    left: dict[UUID, int] = field(default_factory=dict)

    def saved(self) -> Callable[[], None]:
        """What brings back what there is now."""
        tables = {name: dict(getattr(self, name)) for name in ("items", "positions", "hidden", "left")}

        def restore() -> None:
            vars(self).update({name: dict(table) for name, table in tables.items()})

        return restore

    def add(self, recipient_id: UUID, message: Message, notification_id: UUID | None) -> None:
        """Put an item into somebody's."""
        self.positions[recipient_id] = self.positions.get(recipient_id, 0) + 1
        item = MemoryItem(
            id=new_id(),
            recipient_id=recipient_id,
            notification_id=notification_id,
            message=message,
            position=self.positions[recipient_id],
            created_at=self.now(),
        )
        self.items[item.id] = item

    def remove(self, recipient_id: UUID) -> None:
        """Take somebody's away."""
        self.items = {one.id: one for one in self.items.values() if one.recipient_id != recipient_id}
        for table in (self.positions, self.hidden, self.left):
            table.pop(recipient_id, None)

    def tie(self, recipient_id: UUID, *, is_again: bool, is_proved: bool) -> None:
        """Let an account have it, which sees what comes from now on, and the rest where it is proved to be theirs.

        One that comes back (`is_again`) finds all as it left it, unless something came or changed meanwhile.
        """
        stands = self.positions.get(recipient_id, 0)
        if is_proved or (is_again and self.left.get(recipient_id) == stands):
            return
        self.hidden[recipient_id] = stands
        self.positions[recipient_id] = stands + _AHEAD
        for one in [one for one in self.items.values() if one.recipient_id == recipient_id]:
            self.items[one.id] = replace(one, snoozed_until=None)

    def leave(self, recipient_id: UUID) -> None:
        """Note where it stands as it is an account's no more."""
        self.left[recipient_id] = self.positions.get(recipient_id, 0)

    def of(self, recipient_id: UUID) -> list[MemoryItem]:
        """Somebody's items, oldest first."""
        hidden = self.hidden.get(recipient_id, 0)
        theirs = (one for one in self.items.values() if one.recipient_id == recipient_id and one.position > hidden)
        return sorted(theirs, key=attrgetter("id"))

    def counts(self, recipient_id: UUID) -> tuple[int, int, int]:
        """How many are unread and unseen, and where it stands."""
        opens = [one for one in self.of(recipient_id) if one.is_open]
        unread, unseen = (sum(getattr(one, name) is None for one in opens) for name in ("read_at", "seen_at"))
        return unread, unseen, self.positions.get(recipient_id, 0)

    def page(self, recipient_id: UUID, state: str, *, limit: int, cursor: str | None) -> Page[MemoryItem]:
        """One page of those in a state, newest first."""
        check_limit(limit)
        last = None if cursor is None else decode_cursor(cursor)
        fitting = [one for one in reversed(self.of(recipient_id)) if _STATES[state](one)]
        behind = [one for one in fitting if last is None or one.id < last]
        return page_of(behind[: limit + 1], limit=limit, row_id=attrgetter("id"))

    def changes(self, recipient_id: UUID, *, after: int, limit: int) -> list[MemoryItem]:
        """What changed behind a position, in the order of the changes."""
        changed = (one for one in self.of(recipient_id) if one.position > after)
        return sorted(changed, key=attrgetter("position"))[:limit]

    def mark(
        self,
        recipient_id: UUID,
        mark: str,
        *,
        ids: Collection[UUID],
        before: datetime | None,
        until: datetime | None,
    ) -> None:
        """Mark some; those for which it says nothing new stay as they are."""
        meant = (
            one for one in self.of(recipient_id) if one.id in ids or (before is not None and one.created_at <= before)
        )
        self._change(recipient_id, ((one, self._marked(one, mark, until)) for one in list(meant)))

    def next_awake(self) -> datetime | None:
        """When something that is snoozed comes back next."""
        return min((one.snoozed_until for one in self.items.values() if one.snoozed_until is not None), default=None)

    def wake(self) -> None:
        """Bring back, unread, what was snoozed until now."""
        back = {"snoozed_until": None, "seen_at": None, "read_at": None}
        for recipient_id in list(self.positions):
            due = [one for one in self.of(recipient_id) if one.snoozed_until and one.snoozed_until <= self.now()]
            self._change(recipient_id, ((one, back) for one in due))

    def was_dealt_with(self, notification_id: UUID, recipient_id: UUID) -> bool:
        """Whether somebody has read or archived what came of a notification."""
        return any(
            one.read_at is not None or one.archived_at is not None
            for one in self.items.values()
            if (one.notification_id, one.recipient_id) == (notification_id, recipient_id)
        )

    def _marked(self, one: MemoryItem, mark: str, until: datetime | None) -> dict[str, Any]:
        """What a mark changes of an item; nothing where it says nothing new."""
        now = self.now()
        changes: dict[str, tuple[bool, dict[str, Any]]] = {
            "seen": (one.seen_at is None, {"seen_at": now}),
            "read": (one.read_at is None, {"read_at": now, "seen_at": one.seen_at or now}),
            "unread": (one.read_at is not None, {"read_at": None}),
            "archived": (one.archived_at is None, {"archived_at": now, "snoozed_until": None}),
            "restored": (not one.is_open, {"archived_at": None, "snoozed_until": None}),
            "snoozed": (one.archived_at is None and one.snoozed_until != until, {"snoozed_until": until}),
        }
        is_new, changed = changes[mark]
        return changed if is_new else {}

    def _change(self, recipient_id: UUID, changed: Iterator[tuple[MemoryItem, dict[str, Any]]]) -> None:
        for one, values in changed:
            if values:
                self.positions[recipient_id] += 1
                self.items[one.id] = replace(one, position=self.positions[recipient_id], **values)
