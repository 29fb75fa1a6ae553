"""What is forgotten of callbacks is found by its age, and what is kept is not read for it."""

from sqlalchemy import text

from singr_comms.notifications.chores._forget_webhooks import _KEYS, ForgetWebhooks
from singr_db import Database

MANY, OLD = 900, 5
_COUNT = text(
    "SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables WHERE relname = 'webhook_keys'"
)


async def test_forgetting_keys_of_callbacks_reads_none_that_are_kept(db: Database) -> None:
    """A bite was joined to all keys that there are: of a backlog each bite read everything."""
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO webhook_keys (provider, key_hash, webhook_id, seen_at)"
                " SELECT 'mailjet', number::text::bytea, gen_random_uuid(),"
                " now() - CASE WHEN number <= :old THEN interval '31 days' ELSE interval '1 hour' END"
                " FROM generate_series(1, :many) AS number"
            ),
            {"old": OLD, "many": MANY},
        )
    async with db.platform() as session:
        await session.execute(text("ANALYZE webhook_keys"))
    async with db.platform() as session:
        before = await session.scalar(_COUNT)
        assert await session.scalar(_KEYS, {"days": 30, "limit": 5_000}) == OLD
        read = (await session.scalar(_COUNT) or 0) - (before or 0)
    assert OLD <= read <= 4 * OLD, read
    await ForgetWebhooks(db).work()
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM webhook_keys")) == MANY - OLD
