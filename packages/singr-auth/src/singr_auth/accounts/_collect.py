"""A chore: delete what accounts do not need any more."""

from typing import Final

from singr_db import Database, sql

_BITE: Final = 2000


def _delete(table: str, where: str) -> str:
    return sql(f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {table} WHERE {where} LIMIT %s FOR UPDATE SKIP LOCKED))
    """)  # noqa: S608 — both are constants below


_OVER: Final = "interval '1 day'"
_STATEMENTS: Final = tuple(
    _delete(table, where)
    for table, where in (
        # A day later, so that "used before" and "expired" can be told apart in an inquiry.
        ("one_time_tokens", f"expires_at < now() - {_OVER}"),
        ("email_changes", f"expires_at < now() - {_OVER}"),
        ("auth_challenges", f"expires_at < now() - {_OVER}"),
        ("devices", f"expires_at < now() - {_OVER}"),
        # Their refresh tokens go with them. What was revoked is kept for a month, beside the audit trail.
        ("auth_sessions", f"expires_at < now() - {_OVER}"),
        ("auth_sessions", "revoked_at < now() - interval '30 days'"),
        # No access token lives longer than 15 minutes.
        ("access_changes", "changed_at < now() - interval '2 hours'"),
        # What an account accepted goes with it; but one may have been deleted by a release that did not know this.
        ("invitations", "accepted_by IN (SELECT users.id FROM users WHERE status = 'deleted')"),
        ("sign_in_failures", f"last_at < now() - 2 * {_OVER}"),
    )
)


async def collect_accounts(db: Database) -> int:
    """Delete tokens, challenges, devices, sessions, changes, counts and invitations that nobody needs any more.

    In bites of 2000 rows, each committed by itself, that leave alone what another process is deleting or using: any
    number of processes may.

    Args:
        db: opened; uses its `psycopg` pool.

    Returns:
        How many rows went, those that went with them not counted.
    """
    gone = 0
    for statement in _STATEMENTS:
        bite = _BITE
        while bite == _BITE:
            async with db.psycopg.connection() as connection:
                bite = (await connection.execute(statement, (_BITE,))).rowcount
            gone += bite
    return gone
