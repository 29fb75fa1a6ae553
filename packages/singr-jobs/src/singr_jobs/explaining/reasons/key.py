"""Its key is full, or held back."""

from typing import Any, Final

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
    reason, words = _said(row, await case.places.limits(job.type))
    before = f"at least {COUNTED}" if row.before > COUNTED else f"{row.before}"
    behind = f"{before} of its key are before it" if row.before else "it is the next of its key"
    return Because(state="parked", reason=reason, in_words=f"{words}; {behind}.", since=job.run_at)


def _said(row: Any, limits: Any) -> tuple[str, str]:
    """The reason in a word, and how its sentence begins: by what runs of the key, and what its type is held to."""
    full = None if limits is None else _full(row, limits)
    if row.held_until is not None:
        return "key_held", f"Its key is held back until {told(row.held_until)}, as a handler asked"
    if limits is None:
        return "limits_unknown", "No worker has said yet what limits its type has; one that runs the type must start"
    if full is not None:
        return "concurrency_key", full
    if row.counts_until is not None:
        rate = "" if limits.rate_count is None else f" ({limits.rate_count} in {limits.rate_seconds:g} s)"
        return "key_rate", f"As many of its key have started as its rate allows{rate}, until {told(row.counts_until)}"
    if row.running and limits.rate_count is not None and row.running >= limits.rate_count:
        rate = f"{limits.rate_count} may start in {limits.rate_seconds:g} s"
        return "key_rate", f"{row.running} of its key run, and {rate}"
    return "key_free", "Was parked behind its key, which has room: a worker lets it through within a second or so"


def _full(row: Any, limits: Any) -> str | None:
    """How far the limit of what runs at once is reached."""
    most, running = limits.concurrency, row.running
    set_by = ", as an operator has set" if limits.is_set else ""
    if most == 0:
        return f"None of its key may run{set_by}"
    if most is None or running < min(most, COUNTED):
        return None
    if running > COUNTED:  # and no further were they counted
        return f"At least {COUNTED} of its key run, and {most} may at once{set_by}"
    if running > most:
        return f"{running} of its key run, and {most} may at once{set_by}: that was lowered meanwhile"
    return f"Waits for one of {running} running jobs of its key to end, such as {row.one}{set_by}"
