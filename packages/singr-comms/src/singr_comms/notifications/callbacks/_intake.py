"""Callbacks on their way in: each is stored with the keys of what it tells and the job that applies it, or not at all.

What arrives while one commit is on its way shares the next.
"""

import hashlib
from typing import Final
from uuid import UUID

import msgspec

from singr_comms.inbound import Callback, Proved
from singr_comms.notifications.callbacks._job import ProcessWebhook
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, new_id, sql_text
from singr_db.batch import GroupCommit, read_arrays
from singr_jobs import enqueue_many
from singr_observability import Metrics

CONTEXT: Final = "webhooks.callback"
_KEYS: Final = {"provider": "text", "key_hash": "bytea", "webhook_id": "uuid"}
_ROWS: Final = {
    "id": "uuid",
    "provider": "text",
    "event": "text",
    "events": "integer",
    "callback_sealed": "bytea",
    "correlation_id": "text",
}
# In one order everywhere, so that two that tell the same do not wait for each other crosswise.
_INSERT: Final = sql_text(f"""
WITH known AS (
    INSERT INTO webhook_keys (provider, key_hash, webhook_id)
    SELECT provider, key_hash, webhook_id FROM {read_arrays(_KEYS, ":keys")} ORDER BY provider, key_hash
    ON CONFLICT DO NOTHING RETURNING webhook_id
)
INSERT INTO webhooks_received ({", ".join(_ROWS)})
SELECT {", ".join(_ROWS)} FROM {read_arrays(_ROWS, ":rows")} WHERE id IN (SELECT webhook_id FROM known)
RETURNING id
""")  # noqa: S608 - constants
_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct, frozen=True):
    id: UUID
    proved: Proved
    correlation_id: str | None


class WebhookIntake:
    """Stores callbacks that were proved.

    Args:
        db: the database.
        sealer: seals them: they hold addresses, and what people wrote.
        metrics: counts them.
    """

    def __init__(self, db: Database, sealer: Sealer, metrics: Metrics) -> None:
        self._db = db
        self._sealer = sealer
        self._counter = metrics.webhooks_total
        self._commits: GroupCommit[_Item, bool] = GroupCommit(self._flush, max_batch=256)

    async def take(self, proved: Proved, *, correlation_id: str | None = None) -> bool:
        """Store a callback and queue the job that applies it, in one transaction; return once that is committed.

        Args:
            proved: as its provider's door left it.
            correlation_id: of the request.

        Returns:
            Whether any of it was new. Where none was, nothing is stored.
        """
        new = await self._commits.submit(_Item(new_id(), proved, correlation_id))
        self._counter.labels(proved.provider, "accepted" if new else "repeated").inc()
        return new

    async def close(self) -> None:
        """Wait for what is on its way."""
        await self._commits.close()

    async def _flush(self, items: list[_Item]) -> list[bool]:
        keys = [(one.proved.provider, key_hash(news.key), one.id) for one in items for news in one.proved.news]
        rows = [
            (
                one.id,
                one.proved.provider,
                one.proved.news[0].event,
                len(one.proved.news),
                self._sealer.seal(encoded(one.proved.callback), context=CONTEXT),
                one.correlation_id,
            )
            for one in items
        ]
        async with self._db.platform() as session:
            values = {"keys": _encode(keys).decode(), "rows": _encode(rows).decode()}
            stored = set((await session.execute(_INSERT, values)).scalars())
            jobs = [ProcessWebhook(one.id) for one in items if one.id in stored]
            if jobs:
                await enqueue_many(session, jobs, organization_id=PLATFORM_ORGANIZATION_ID)
        return [one.id in stored for one in items]


def key_hash(key: str) -> bytes:
    """A key as it is stored: of one length, whatever a provider makes of it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def encoded(callback: Callback) -> bytes:
    """A callback as it is sealed: its raw bytes, and what is needed to read them."""
    return msgspec.msgpack.encode(callback)


def opened(sealer: Sealer, sealed: bytes) -> Callback:
    """A stored callback; raises SealError."""
    return msgspec.msgpack.decode(sealer.open(sealed, context=CONTEXT), type=Callback)
