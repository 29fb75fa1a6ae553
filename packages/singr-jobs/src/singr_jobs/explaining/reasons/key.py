"""Its key is full, or held back."""

from typing import Final

from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 40
COUNTED: Final = 1000
"""So far is counted how many of its key run, and how many are before it."""


async def why(case: Case) -> Because | None:
    """What holds it back, and how many are before it."""
    job = case.job
    if job.concurrency_key is None:
        return None
    row = await case.places.parked(job, most=COUNTED + 1)
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
