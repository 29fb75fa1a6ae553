"""What follows where a job lets go of its key: the next one is let through, in the same transaction.

Nothing here waits for anybody: of two that let go at once each lets one through, and what they both pass by, or what
comes at this very moment, whoever looks at keys finds within a second (`singr_jobs.keys`).
"""

from typing import Final

from singr_db.ending._job_ends import FollowUp
from singr_db.ending._places import ANY_RANK

LIMIT: Final = "coalesce(lim.set_concurrency, lim.concurrency, 1000000)"
"""How many jobs of a key may be let through at once, by a row `lim` of `job_limits`."""
RATE: Final = "coalesce(lim.set_rate_count, lim.rate_count)"
RATE_SECONDS: Final = "coalesce(lim.set_rate_seconds, lim.rate_seconds)"


def same_key(one: str, other: str) -> str:
    """Whether two rows are of one key: an organization's, of a type."""
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in ("organization_id", "type", "key"))


HOLD_KEYS: Final = (
    FollowUp(
        "held_back",
        """
    INSERT INTO job_key_holds AS held (organization_id, type, key, until)
    SELECT organization_id, type, concurrency_key, max(run_at) FROM changed
     WHERE concurrency_key IS NOT NULL AND status = 'pending' AND id = ANY (%(holding)s::uuid[])
     GROUP BY organization_id, type, concurrency_key ORDER BY organization_id, type, concurrency_key
    ON CONFLICT (organization_id, type, key) DO UPDATE SET until = greatest(held.until, excluded.until)
    RETURNING organization_id, type, key""",
    ),
    # What was let through and has not begun is parked again.
    FollowUp(
        "pulled",
        f"""
    DELETE FROM job_ready AS r USING held_back JOIN job_slots AS s ON {same_key("s", "held_back")}
                                               JOIN jobs AS j ON j.id = s.job_id
     WHERE r.queue = j.queue AND r.organization_id = j.organization_id AND r.priority IN {ANY_RANK}
       AND r.run_at = j.run_at AND r.id = j.id
    RETURNING r.organization_id, r.type, s.key, r.priority, r.run_at, r.id, r.queue""",  # noqa: S608 - constants
    ),
    FollowUp("pulled_slots", "DELETE FROM job_slots AS s USING pulled WHERE s.job_id = pulled.id"),
    FollowUp(
        "parked_again",
        """
    INSERT INTO job_parked (organization_id, type, key, priority, run_at, id, queue)
    SELECT organization_id, type, key, priority, run_at, id, queue FROM pulled ON CONFLICT DO NOTHING""",
    ),
)
"""The whole key waits for as long as such a job does: its handler says that it must. With `next_of_key`."""


def next_of_key(*, holding: bool = False) -> tuple[FollowUp, ...]:
    """After `let_go` (`release_slot`): as many are let through as let go, as far as the limit goes.

    What has a rate is let through by its clock; what is held back, now (`holding`) or before, waits. Where none of a
    key is parked, as where its limit is not reached, its slots are not counted.
    """
    now_held = f" OR EXISTS (SELECT FROM held_back AS held WHERE {same_key('held', 'let_go')})" if holding else ""
    freed = FollowUp(
        "freed",
        f"""
    SELECT let_go.organization_id, let_go.type, let_go.key,
           CASE WHEN {RATE} IS NOT NULL{now_held} OR EXISTS (
                    SELECT FROM job_key_holds AS held WHERE {same_key("held", "let_go")} AND held.until > now())
                THEN 0
                ELSE least(count(*), {LIMIT} - (SELECT count(*) FROM job_slots AS s WHERE {same_key("s", "let_go")})
                                             + count(*)) END AS room
      FROM let_go JOIN job_limits AS lim ON lim.type = let_go.type
     WHERE (SELECT true FROM job_parked AS p WHERE {same_key("p", "let_go")} LIMIT 1)
     GROUP BY let_go.organization_id, let_go.type, let_go.key, lim.type""",  # noqa: S608 - constants
    )
    return (*(HOLD_KEYS if holding else ()), freed, *_LET_THROUGH)


_LET_THROUGH: Final = (
    # What began within the rate's time counts until that is over.
    FollowUp(
        "counted",
        f"""
    INSERT INTO job_starts (organization_id, type, key, until, job_id)
    SELECT let_go.organization_id, let_go.type, let_go.key,
           greatest(now(), let_go.started_at + {RATE_SECONDS} * interval '1 second'), let_go.job_id
      FROM let_go JOIN job_limits AS lim ON lim.type = let_go.type
     WHERE {RATE} IS NOT NULL AND let_go.started_at IS NOT NULL
    ON CONFLICT DO NOTHING""",  # noqa: S608 - constants
    ),
    FollowUp(
        "following",
        f"""
    SELECT r.* FROM freed CROSS JOIN LATERAL (
        SELECT p.* FROM job_parked AS p WHERE {same_key("p", "freed")}
           AND NOT EXISTS (SELECT FROM job_slots AS s WHERE s.job_id = p.id)
         ORDER BY p.priority, p.run_at, p.id LIMIT greatest(freed.room, 0) FOR UPDATE SKIP LOCKED) AS r""",  # noqa: S608 - constants
    ),
    FollowUp(
        "let_in",
        """
    INSERT INTO job_slots (job_id, organization_id, type, key)
    SELECT id, organization_id, type, key FROM following ON CONFLICT DO NOTHING RETURNING job_id""",
    ),
    FollowUp(
        "moved_up",
        f"""
    DELETE FROM job_parked AS p USING following AS f JOIN let_in ON let_in.job_id = f.id
     WHERE {same_key("p", "f")} AND p.priority = f.priority AND p.run_at = f.run_at AND p.id = f.id
    RETURNING p.queue, p.organization_id, p.priority, p.run_at, p.id, p.type""",  # noqa: S608 - constants
    ),
    FollowUp(
        "ready_next",
        """
    INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
    SELECT queue, organization_id, priority, run_at, id, type FROM moved_up ON CONFLICT DO NOTHING""",
    ),
)
