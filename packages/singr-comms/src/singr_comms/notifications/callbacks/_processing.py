"""Stored callbacks, applied: piece by piece by their job, or in transactions that are rolled back."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._masking import mask_phone
from singr_comms.inbound import AddressNews, Doors, MessageNews, News, ObjectNews
from singr_comms.inbound._callback import OtherNews
from singr_comms.notifications.callbacks._intake import opened
from singr_comms.notifications.callbacks._meant import OF_ANOTHER, of_its_recipient
from singr_comms.notifications.callbacks._message_news import Effect, Found, apply, find, lock_messages
from singr_comms.notifications.callbacks._stripe import StripeSubscriptions, Told
from singr_comms.notifications.callbacks._subscriptions import keep_subscription
from singr_comms.notifications.sending._suppressions import answer_by_address
from singr_db import Database, PlatformSession, Sealer, SealError, past_deadlock, sql_text
from singr_jobs import PermanentError, RetryLater
from singr_observability import Metrics, continued_trace, correlation_id, correlation_scope, get_logger

_READ: Final = sql_text("SELECT provider, callback_sealed, correlation_id FROM webhooks_received WHERE id = :id")
_END: Final = sql_text("""
UPDATE webhooks_received SET state = :state, outcome = CAST(:outcome AS jsonb), attempts = attempts + 1,
       processed_at = clock_timestamp()
 WHERE id = :id
""")
# Locks are held for so many messages at once, and no more, so that their senders do not wait.
_AT_ONCE: Final = 50
_MOST_TOLD: Final = 100
_PATIENCE: Final = 2.0

_log = get_logger("singr_comms.callbacks")


class _UndoneError(Exception):
    """Leaves a transaction, so that it is rolled back."""


class Webhooks:
    """Applies stored callbacks.

    Args:
        db: the database.
        sealer: opens them.
        doors: read them.
        metrics: counts what comes of them.
        subscriptions: asks for subscriptions; without it nothing follows from what is told of them.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        doors: Doors,
        metrics: Metrics,
        *,
        subscriptions: StripeSubscriptions | None = None,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._doors = doors
        self._counter = metrics.webhooks_total
        self._subscriptions = subscriptions

    async def process(self, webhook_id: UUID, *, is_last_attempt: bool) -> dict[str, int]:
        """Apply a callback; what was applied before changes nothing. Returns how many pieces came to what.

        Raises:
            RetryLater: what it is about may not be known yet: its own commit may be on its way, or the
                provider cannot be asked.
            PermanentError: it cannot be opened.
        """
        try:
            provider, news, told_by = await self._news(webhook_id)
        except SealError as error:
            await self._end(webhook_id, "failed", [Effect(event="", outcome="failed", reason=str(error))])
            raise PermanentError("unreadable", f"the stored callback cannot be opened: {error}") from error
        if provider is None:
            raise PermanentError("webhook_gone", f"there is no callback {webhook_id}")
        # Several callbacks share a commit, and have requests of their own.
        correlation_id.set(told_by or correlation_id.get())
        ordered, effects = _in_order([await self._asked(one) for one in news]), list[Effect]()
        for some in _pieces(ordered):
            effects += await past_deadlock(partial(self._piece, provider, some, webhook_id))
        effects = _told_once(ordered, effects)
        waiting = [one for one in effects if one.outcome == "waiting"]
        if waiting and not is_last_attempt:
            raise RetryLater(_PATIENCE, "not_known_yet", waiting[0].reason or "")
        effects = [msgspec.structs.replace(one, outcome="ignored") if one in waiting else one for one in effects]
        counted = _counted(effects)
        for outcome, count in counted.items():
            self._counter.labels(provider, outcome).inc(count)
        await self._end(webhook_id, "ignored" if set(counted) <= {"ignored", "unknown"} else "done", effects)
        return counted

    async def rehearse(self, webhook_id: UUID) -> list[Effect] | None:
        """Apply a callback in transactions that are rolled back; None where there is no such callback.

        Returns:
            What would change, event by event. Of fifty at once what they are about is locked, and they know nothing of
            what the fifty before would have changed.
        """
        try:
            provider, news, _ = await self._news(webhook_id)
        except SealError as error:
            return [Effect(event="", outcome="failed", reason=str(error))]
        if provider is None:
            return None
        try:
            asked = [await self._asked(one) for one in news]
        except RetryLater as error:
            return [Effect(event=news[0].event, outcome="waiting", reason=error.message)]
        ordered, effects = _in_order(asked), list[Effect]()
        for some in _pieces(ordered):
            with contextlib.suppress(_UndoneError):
                async with self._db.platform() as session:
                    effects += await self._apply(session, provider, some, webhook_id)
                    raise _UndoneError
        return _told_once(ordered, effects)

    async def _news(self, webhook_id: UUID) -> tuple[str | None, Sequence[News], str | None]:
        async with self._db.platform() as session:
            row = (await session.execute(_READ, {"id": webhook_id})).one_or_none()
        if row is None:
            return None, (), None
        callback = opened(self._sealer, row.callback_sealed)
        return row.provider, self._doors.read(row.provider, callback), row.correlation_id

    async def _asked(self, news: News) -> News | Told:
        """News, or what a hint leads to: asked for before any lock is taken."""
        if self._subscriptions is None or not isinstance(news, ObjectNews):
            return news
        return await self._subscriptions.look(news)

    async def _piece(self, provider: str, some: Sequence[News | Told], webhook_id: UUID) -> list[Effect]:
        async with self._db.platform() as session:
            return await self._apply(session, provider, some, webhook_id)

    async def _apply(
        self, session: PlatformSession, provider: str, some: Sequence[News | Told], webhook_id: UUID
    ) -> list[Effect]:
        await lock_messages(session, [one for one in some if isinstance(one, MessageNews)])
        return [await self._one(session, provider, news, webhook_id) for news in some]

    async def _one(self, session: PlatformSession, provider: str, news: News | Told, webhook_id: UUID) -> Effect:
        if isinstance(news, Told):
            return await keep_subscription(session, news)
        if isinstance(news, MessageNews):
            found = await find(session, provider, news)
            if not isinstance(found, Found):
                return found
            with _joined(provider, news, found.row, webhook_id):
                meant = of_its_recipient(self._sealer, news, found.row)
                effect = await apply(session, provider, meant, found, webhook_id=webhook_id)
                return effect if meant is news else msgspec.structs.replace(effect, also=(OF_ANOTHER,))
        if isinstance(news, AddressNews):
            return await self._answered(session, news, webhook_id)
        if isinstance(news, OtherNews) and news.reason is not None:
            return Effect(event=news.event, outcome="ignored", reason=news.reason)
        return Effect(event=news.event, outcome="unknown", reason="nothing here follows from it")

    async def _answered(self, session: PlatformSession, news: AddressNews, webhook_id: UUID) -> Effect:
        also = await answer_by_address(
            session,
            self._sealer,
            channel=news.channel,
            address=news.recipient,
            masked=mask_phone(news.recipient),
            wants=news.wants,
            webhook_id=webhook_id,
        )
        if also is None:
            return Effect(event=news.event, outcome="noted", reason="a newer answer of this address is known")
        return Effect(event=news.event, outcome="applied", also=(also,))

    async def _end(self, webhook_id: UUID, state: str, effects: Sequence[Effect]) -> None:
        outcome = msgspec.json.encode({"counts": _counted(effects), "effects": effects[:_MOST_TOLD]}).decode()
        async with self._db.platform() as session:
            await session.execute(_END, {"id": webhook_id, "state": state, "outcome": outcome})


@contextlib.contextmanager
def _joined(provider: str, news: MessageNews, row: Any, webhook_id: UUID) -> Iterator[None]:
    """What follows belongs to the request that asked for the message: by its id in the log, and in its trace."""
    with (
        correlation_scope(row.correlation_id or correlation_id.get(), message_id=row.id, webhook_id=webhook_id),
        continued_trace(f"callback {provider}", row.traceparent, event=news.event),
    ):
        _log.info("{} tells of a message: {}", provider, news.event)
        yield


def _in_order(news: Sequence[News | Told]) -> Sequence[News | Told]:
    """Always in the order of their messages: two callbacks never wait for each other crosswise."""
    return sorted(news, key=lambda one: getattr(one, "message_id", None) or UUID(int=0))


def _pieces(ordered: Sequence[News | Told]) -> Iterator[Sequence[News | Told]]:
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


def _told_once(ordered: Sequence[News | Told], effects: Sequence[Effect]) -> list[Effect]:
    """A copy within one callback comes to nothing of its own; what an earlier try at it noted counts as it did."""
    told, seen = list[Effect](), set[tuple[UUID | None, str]]()
    for news, effect in zip(ordered, effects, strict=True):
        if not isinstance(news, MessageNews) or effect.outcome not in {"applied", "noted"}:
            told.append(effect)
            continue
        key = (effect.message_id, news.key)
        told.append(msgspec.structs.replace(effect, outcome="repeated") if key in seen else effect)
        seen.add(key)
    return told


def _counted(effects: Sequence[Effect]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in effects:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    return counts
