"""Rows by the thousand, as they would lie after weeks of work: what a search is for is among the oldest alone."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from singr_db import Database

OURS: Final = UUID("01920000-0000-7000-8000-0000000000aa")
OTHERS: Final = UUID("01920000-0000-7000-8000-0000000000bb")
FLOW: Final = UUID("01920000-0000-7000-8000-0000000000cc")
SCHEDULE: Final = UUID("01920000-0000-7000-8000-0000000000dd")
RARE: Final = "test.rare"

# Ids of version 7, one a millisecond up to now, the oldest first: `i` is 1 for that.
_MADE: Final = "(extract(epoch FROM now()) * 1000)::bigint - (:rows - i)"
_HEX: Final = f"lpad(to_hex({_MADE}), 12, '0')"
_ID: Final = f"(left({_HEX}, 8) || '-' || right({_HEX}, 4) || '-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"
_AT: Final = f"to_timestamp(({_MADE}) / 1000.0)"
_WHOSE: Final = f"CASE WHEN i % 10 = 0 THEN '{OTHERS}'::uuid ELSE '{OURS}'::uuid END"
_TYPE: Final = f"CASE WHEN i <= 5 THEN '{RARE}' ELSE 'test.common' END"
_QUEUE: Final = "CASE WHEN i <= 5 THEN 'sms' ELSE 'email' END"


def _fill(table: str, columns: Mapping[str, str]) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM generate_series(1, CAST(:rows AS bigint)) AS i"
    )


_OF_ALL: Final = {"id": _ID, "organization_id": _WHOSE}
_JOBS: Final = _fill(
    "jobs",
    _OF_ALL
    | {"type": _TYPE, "queue": _QUEUE, "payload": "'{}'", "max_attempts": "3", "backoff": "1", "timeout": "30"}
    | {"status": "CASE WHEN i <= 5 THEN 'cancelled' WHEN i % 97 = 0 THEN 'pending' ELSE 'completed' END"}
    | {"created_at": _AT, "run_at": _AT, "placed": "true"}
    | {"labels": "CASE WHEN i <= 5 THEN '{rare,eu}' WHEN i % 2 = 0 THEN '{eu}' END::text[]"}
    | {"flow_id": f"CASE WHEN i % 20 = 1 THEN '{FLOW}'::uuid END"},
)
_READY: Final = """
INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
SELECT queue, organization_id, 1, run_at, id, type FROM jobs WHERE status = 'pending' ORDER BY id OFFSET 5
"""
_TICKET: Final = """
INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)
SELECT 1, 'email', array_agg(id), 'working', now() + interval '1 hour', 'worker', now()
  FROM (SELECT id FROM jobs WHERE status = 'pending' ORDER BY id LIMIT 5) AS held
"""
_LETTERS: Final = _fill(
    "dead_letters",
    _OF_ALL
    | {"job_id": _ID, "type": _TYPE, "queue": _QUEUE, "error": "'{}'", "attempts": "'[]'"}
    | {"error_code": "CASE WHEN i <= 5 THEN 'rare' ELSE 'common' END", "failed_at": _AT}
    | {"fingerprint": "lpad(to_hex(i % 300), 16, '0')"}
    | {"state": "CASE WHEN i <= 5 THEN 'expired' WHEN i % 2 = 0 THEN 'open' ELSE 'requeued' END"},
)
_FLOWS: Final = _fill("flows", _OF_ALL | {"name": "'f'", "closed_at": _AT, "finished_at": _AT})
_ONE_FLOW: Final = "INSERT INTO flows (id, organization_id, name) VALUES (:flow, :ours, 'large')"
_SCHEDULES: Final = _fill(
    "schedules",
    _OF_ALL
    | {"name": "'s' || i", "every": "60", "anchor_at": _AT, "missed_within": "60", "type": "'t'", "job": "'{}'"}
    | {"state": "CASE WHEN i <= 5 THEN 'ended' ELSE 'paused' END"},
)
_ONE_SCHEDULE: Final = """
INSERT INTO schedules (id, organization_id, name, every, anchor_at, missed_within, type, job, state)
VALUES (:schedule, :ours, 'one', 60, now(), 60, 't', '{}', 'paused')
"""
_FIRES: Final = _fill(
    "schedule_fires",
    {"id": _ID, "organization_id": f"'{OURS}'::uuid", "fire_at": _AT, "outcome": "'missed'"}
    | {"schedule_id": f"CASE WHEN i % 2 = 0 THEN '{SCHEDULE}'::uuid ELSE {_ID} END"},
)
_OPERATIONS: Final = _fill(
    "operation_log",
    _OF_ALL
    | {"actor_kind": "'user'", "actor": "CASE WHEN i <= 5 THEN 'user:rare' ELSE 'user:common' END"}
    | {"kind": "CASE WHEN i <= 10 THEN 'job.rare' ELSE 'job.common' END", "target": "'t' || i % 50"},
)
_BULK: Final = _fill(
    "bulk_actions",
    _OF_ALL | {"action": "'cancel'", "filter": "'{}'", "state": "'done'", "finished_at": _AT},
)
_MESSAGES: Final = _fill(
    "messages",
    _OF_ALL
    | {"job_id": _ID, "channel": "CASE WHEN i <= 5 THEN 'sms' ELSE 'email' END", "created_at": _AT}
    | {"kind": "CASE WHEN i <= 5 THEN 'rare' ELSE 'common' END", "recipient_masked": "'a***'", "content_sealed": "''"}
    | {"status": "CASE WHEN i <= 5 THEN 'failed' ELSE 'sent' END", "recipient_sealed": "''"}
    | {"recipient_hash": "decode(md5((i % 1000)::text), 'hex')"},
)
# All of one job, which wrote without an end.
_LOGS: Final = _fill(
    "job_logs",
    {"job_id": "(SELECT id FROM jobs WHERE flow_id IS NOT NULL ORDER BY id LIMIT 1)", "id": _ID, "at": _AT}
    | {"organization_id": f"'{OURS}'::uuid", "attempt": "i % 3 + 1", "message": "'m'"},
)
# Seven hours of forty types in the queue that is looked at, and in another.
_MINUTES: Final = """
INSERT INTO work_minutes (minute, queue, type, completed, retried, failed, waits, runs)
SELECT date_trunc('minute', now()) - i % 420 * interval '1 minute', CASE WHEN i % 2 = 0 THEN 'email' ELSE 'sms' END,
       'type' || i / 420, 1, 0, 0, array_fill(1, ARRAY[64]), array_fill(1, ARRAY[64])
  FROM generate_series(0, CAST(:rows AS bigint) - 1) AS i
"""
_TABLES: Final = (
    *((_JOBS, 1), (_LETTERS, 10), (_FLOWS, 10), (_SCHEDULES, 10), (_FIRES, 10), (_OPERATIONS, 5), (_BULK, 20)),
    *((_MESSAGES, 5), (_LOGS, 10)),
)
GROWING: Final = (
    *("jobs", "job_ready", "job_logs", "dead_letters", "flows", "schedules", "schedule_fires", "operation_log"),
    *("bulk_actions", "messages", "work_minutes", "queue_minutes"),
)


async def fill(db: Database, jobs: int) -> None:
    """Fill all tables, so many rows in that of jobs; and let PostgreSQL know what they hold."""
    named: dict[str, Any] = {"flow": FLOW, "schedule": SCHEDULE, "ours": OURS}
    async with db.platform() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        insert = "INSERT INTO organizations (id, name, slug) VALUES (:id, 'n', :slug)"
        for whose in (OURS, OTHERS):
            await session.execute(text(insert), {"id": whose, "slug": whose.hex})
        await session.execute(text(_ONE_SCHEDULE), named)
        for statement, part in _TABLES:
            await session.execute(text(statement), {"rows": max(jobs // part, 2000)})
        await session.execute(text(_MINUTES), {"rows": min(jobs // 20, 420 * 40)})
        for statement in (_READY, _TICKET, _ONE_FLOW):
            await session.execute(text(statement), named)
    async with db.psycopg.connection() as connection:
        await connection.set_autocommit(True)
        for table in GROWING:
            await connection.execute(f"ANALYZE {table}")
        await connection.set_autocommit(False)
