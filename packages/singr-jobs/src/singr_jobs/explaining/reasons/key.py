"""Its key is full, or held back."""

from typing import Final

from singr_db import sql_text
from singr_db.ending import ALONE
from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 40
COUNTED: Final = 1000
"""So far is counted how many of its key run, and how many are before it."""
_KEY: Final = "organization_id = :organization_id AND type = :type AND key = :key"
# Ranges of the tables' own keys: as many rows as are counted, and no more.
_PARKED: Final = sql_text(
    f"""
SELECT (SELECT min(until) FROM job_key_holds WHERE {_KEY} AND until > now()) AS held_until,
       (SELECT until FROM job_starts WHERE {_KEY} AND until > now() ORDER BY until LIMIT 1) AS counts_until,
       (SELECT count(*) FROM (SELECT FROM job_slots WHERE {_KEY} LIMIT :most) AS slots) AS running,
       (SELECT job_id FROM job_slots WHERE {_KEY} LIMIT 1) AS one,
       (SELECT count(*) FROM (SELECT FROM job_parked
                               WHERE {_KEY} AND (priority, run_at, id) < (mine.priority, mine.run_at, mine.id)
                               LIMIT :most) AS before) AS before
  FROM (SELECT priority, run_at, id FROM job_parked
         WHERE {_KEY} AND priority IN (:priority, {ALONE}) AND run_at = :run_at AND id = :id LIMIT 1) AS mine
""",  # noqa: S608 - constants
    roles=("tenant",),
)


async def why(case: Case) -> Because | None:
    """What holds it back, and how many are before it."""
    job = case.job
    if job.concurrency_key is None:
        return None
    values = {name: getattr(job, name) for name in ("organization_id", "type", "priority", "run_at", "id")}
    values |= {"key": job.concurrency_key, "most": COUNTED + 1}
    row = (await case.session.execute(_PARKED, values)).one_or_none()
    if row is None:
        return None
    before = f"at least {COUNTED}" if row.before > COUNTED else f"{row.before}"
    behind = f"; {before} of its key are before it" if row.before else "; it is the next of its key"
    if row.held_until is not None:
        words = f"Its key is held back until {told(row.held_until)}, as a handler asked{behind}."
        return Because(state="parked", reason="key_held", in_words=words, since=job.run_at)
    if row.running:
        many = f"at least {COUNTED}" if row.running > COUNTED else f"{row.running}"
        words = f"Waits for one of {many} running jobs of its key to end, such as {row.one}{behind}."
        return Because(state="parked", reason="concurrency_key", in_words=words, since=job.run_at)
    if row.counts_until is not None:
        words = f"As many of its key have started as its rate allows, until {told(row.counts_until)}{behind}."
        return Because(state="parked", reason="key_rate", in_words=words, since=job.run_at)
    words = f"Was parked behind its key, which has room: a worker lets it through within a second or so{behind}."
    return Because(state="parked", reason="key_free", in_words=words, since=job.run_at)
