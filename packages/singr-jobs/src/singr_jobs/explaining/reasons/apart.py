"""It is set apart, since it was lost with its worker."""

from typing import Final

from singr_db.ending import ALONE, SUSPECT
from singr_jobs.explaining._case import Because, Case

ORDER: Final = 70


async def why(case: Case) -> Because | None:
    """For which reason."""
    if case.rank == SUSPECT:
        words = (
            "Waits apart: a worker died that had taken it, with others, and it may have been the cause. It is taken"
            " where it can begin at once."
        )
        return Because(state="pending", reason="suspect", in_words=words, since=case.job.run_at)
    if case.rank == ALONE:
        words = "Waits apart: it was lost with its worker more than once, and runs with no other such job beside it."
        return Because(state="pending", reason="alone", in_words=words, since=case.job.run_at)
    return None
