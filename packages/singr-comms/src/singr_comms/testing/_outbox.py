"""The memory itself: sessions, time, and what came of it all."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from singr_comms.channels import CHANNELS
from singr_comms.notifications._reachable import ways_to_write
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.sending._suppressions import CODES, OF_ALL
from singr_comms.notifying.memory._model import MemoryMessage, Suppressed
from singr_comms.notifying.memory._room import MemoryRoom
from singr_comms.notifying.memory._store import MemoryNotified
from singr_comms.people._memory import MemoryPeople
from singr_config import LimitSettings
from singr_config.clock import clock

_SCOPE: Final = {"unsubscribed": "marketing"}
# Seconds for which a session waits for another, by the wall clock; after that one of them waits for the other.
_PATIENCE: Final = 10.0


class _Turn:
    """A session of an organization while it is open, or the organization itself: what is within it takes turns."""

    def __init__(self, whose: object) -> None:
        self.whose, self.is_open, self.lock = whose, True, asyncio.Lock()


_within: ContextVar[tuple[_Turn, ...]] = ContextVar("singr_comms.testing.within", default=())


class MemorySession:
    """Stands in for a session of `Database.tenant`: one organization's.

    What takes it is named in `singr_comms.testing`; everything else says that it needs a database.

    Attributes:
        organization_id: whose.
    """

    def __init__(self, people: MemoryPeople, notifications: MemoryNotified) -> None:
        self.organization_id = notifications.organization_id
        self._people = people
        self._notifications = notifications
        self._restore = (people.saved(), notifications.saved())
        self._is_over = False

    @property
    def people(self) -> MemoryPeople:
        """The organization's people; raises RuntimeError once the session is over."""
        self._require_open()
        return self._people

    @property
    def notifications(self) -> MemoryNotified:
        """Its notifications; raises RuntimeError once the session is over."""
        self._require_open()
        return self._notifications

    def end(self) -> None:
        """Take nothing any more, as whoever opened it says: a database would not keep it."""
        self._is_over = True

    def _require_open(self) -> None:
        if self._is_over:
            raise RuntimeError("this session is over: what is done after its block is not kept; open another")

    async def rollback(self) -> None:
        """Take back what was done in this session."""
        self.take_back()

    def take_back(self) -> None:
        """The same, as whoever opened it does."""
        for restore in self._restore:
            restore()

    def __getattr__(self, name: str) -> Any:
        """Say of what a database's session has, too, why it is not here."""
        raise AttributeError(
            f"notifications in memory have no {name}: what is called here needs a database", name=name, obj=self
        )


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the moment must have a time zone")
    return moment


class MemoryNotifications:
    """Stands in for a database where a service tells people something, and keeps what came of it.

    By the rules of the database's, and with the same errors: whoever is named must be there, data must fit the type,
    choices, suppressions and quiet hours hold, and a deduplication key is used once. What is due is decided as a
    session ends, as by a worker that has nothing else to do, and what may go is `sent` there and then, or as its
    reader's quiet hours end: no provider is called, and no limit is asked unless given. What is kept for a digest has
    the reason `digested`, and comes in one mail of the type `digest` at its reader's time. Inboxes have their items.
    Time is the test's own, and stands still until it is moved.

    Takes the place of a session in `notify`, `cancel_notification`, `pause_notification`, `resume_notification` and
    `read_notification`; in what keeps recipients (`put_recipient`, `import_recipients`, `read_recipient`,
    `remove_recipient`, `erase_recipient`, `recipient_statistics`), devices (`recipient_named`, `recipient_of_member`,
    `register_device`, `list_devices`, `remove_device`) and topics (`change_topic`, `read_topic`, `remove_topic`); in
    `preferences_holder`, `read_preferences`, `change_preferences`, `read_times`, `set_times`, `read_digest_defaults`
    and `set_digest_defaults`; of `singr_comms.people.inbox` in `list_inbox`, `count_inbox`, `inbox_changes`,
    `mark_inbox` and `add_to_inboxes`; and in `explain`, which needs no explainer then. A sealer is theirs as ever; it
    seals nothing.

    Args:
        now: when it begins (aware); the present unless given.
        limits: how many messages a reader gets in an hour and an organization sends in a day: what is over them is held
            back for the reason that a database gives. As many as there are, unless given.

    Raises:
        ValueError: `now` has no zone.
    """

    def __init__(self, *, now: datetime | None = None, limits: LimitSettings | None = None) -> None:
        self._room = None if limits is None else MemoryRoom(limits)
        self._now = _aware(now or clock.now())
        self._notified: dict[UUID, MemoryNotified] = {}
        self._turns: dict[UUID, _Turn] = {}
        self._suppressed: list[Suppressed] = []

    @property
    def now(self) -> datetime:
        """The time."""
        return self._now

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[Any]:
        """One organization's session, in place of `Database.tenant`: a `MemorySession`.

        It is typed as anything, so that a service whose functions take a `TenantSession` takes it. Where the block
        raises, what was done in it is taken back, and nothing else: sessions of one organization take turns. One that
        is opened within another, by the same task or one that it began, is a part of that, and goes with it.

        Raises:
            RuntimeError: the one before is not over after ten seconds, as where it waits for this one.
            TypeError: `organization_id` is no UUID.
        """
        if not isinstance(organization_id, UUID):
            raise TypeError(f"a tenant session needs the organization's UUID, not {type(organization_id).__name__}")
        notified = self._of(organization_id)
        async with self._turn(notified):
            session = MemorySession(notified.people, notified)
            try:
                yield session
            except BaseException:
                session.take_back()
                raise
            finally:
                session.end()
            notified.decide_due()

    @asynccontextmanager
    async def _turn(self, notified: MemoryNotified) -> AsyncIterator[None]:
        """Wait for those who are at it; who is within one of them waits for those who are within it, too."""
        outer = [one for one in _within.get() if one.is_open]
        around = next((one for one in reversed(outer) if one.whose is notified), None)
        around = around or self._turns.setdefault(notified.organization_id, _Turn(notified))
        try:
            async with asyncio.timeout(_PATIENCE):
                await around.lock.acquire()
        except TimeoutError:
            raise RuntimeError(
                f"another session of {notified.organization_id} has been open for {_PATIENCE:.0f} seconds: sessions of"
                " one organization take turns, and what is opened within one is to be opened by its task"
            ) from None
        mine = _Turn(notified)
        _within.set((*outer, mine))
        try:
            yield
        finally:
            mine.is_open = False
            around.lock.release()

    async def advance(self, by: timedelta | float) -> None:
        """Let time pass, in seconds or as a difference; what falls due is decided at its time.

        Raises:
            RuntimeError: within a session.
            ValueError: it is no time that passes, such as NaN or less than none.
        """
        if not isinstance(by, timedelta) and not math.isfinite(by):
            raise ValueError(f"time passes in a number of seconds or a timedelta, not {by}")
        await self.move_to(self._now + (by if isinstance(by, timedelta) else timedelta(seconds=by)))

    async def move_to(self, moment: datetime) -> None:
        """Let time pass until then (aware); what falls due is decided at its time.

        Raises:
            RuntimeError: within a session, whose changes nobody else would see before its end.
            ValueError: it lies in the past, or has no zone.
        """
        if any(one.is_open and any(one.whose is mine for mine in self._notified.values()) for one in _within.get()):
            raise RuntimeError("time passes between sessions: what an open one did is decided after its block")
        if _aware(moment) < self._now:
            raise ValueError(f"time only goes forward: it is {self._now.isoformat()} already")
        while (due := self._next_due()) is not None and due <= moment:
            self._now = max(self._now, due)
            for notified in self._notified.values():
                notified.decide_due()
        self._now = moment

    def suppress(self, channel: str, address: str, *, reason: str, organization_id: UUID | None = None) -> None:
        """Let an address get nothing more.

        Args:
            channel: by which.
            address: in full.
            reason: `bounced`, `stopped` (by the reader's STOP), `complained`, `unsubscribed` or `bounced_softly`.
            organization_id: whose messages alone; everybody's unless given. What `bounced` or is `stopped` is so for
                all.

        Raises:
            ValueError: there is no such channel or reason.
        """
        if channel not in CHANNELS:
            raise ValueError(f"channel must be one of {', '.join(sorted(CHANNELS))}, not {channel}")
        if reason not in CODES:
            raise ValueError(f"reason must be one of {', '.join(sorted(CODES))}, not {reason}")
        ways = frozenset(map(normalized, ways_to_write(normalized(address))))
        whose = None if reason in OF_ALL else organization_id
        self._suppressed.append(Suppressed(channel, ways, reason, _SCOPE.get(reason, "all"), whose))

    @property
    def messages(self) -> list[MemoryMessage]:
        """Everything that was decided, oldest first: what was sent, what waits, and what was not with the reason."""
        found = (message for notified in self._notified.values() for message in notified.messages)
        return sorted(found, key=lambda message: message.id)

    @property
    def sent(self) -> list[MemoryMessage]:
        """What was sent, oldest first; each has no `reason`."""
        return [message for message in self.messages if message.status in {"sent", "delivered"}]

    @property
    def waiting(self) -> list[MemoryMessage]:
        """What quiet hours or, after these or in a digest, a limit hold back, oldest first; each has `waits_until`."""
        return [message for message in self.messages if message.waits_until is not None]

    @property
    def held_back(self) -> list[MemoryMessage]:
        """What was not sent, oldest first; each has a `reason`."""
        return [message for message in self.messages if message.reason is not None]

    def _of(self, organization_id: UUID) -> MemoryNotified:
        if organization_id not in self._notified:
            people = MemoryPeople(lambda: self._now)
            notified = MemoryNotified(organization_id, people, lambda: self._now, self._suppressed, self._room)
            self._notified[organization_id] = notified
        return self._notified[organization_id]

    def _next_due(self) -> datetime | None:
        found = (notified.next_due() for notified in self._notified.values())
        return min((due for due in found if due is not None), default=None)
