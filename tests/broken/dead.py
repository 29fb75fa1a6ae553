"""Breakages of the row about dead letters and what is done to them in bulk."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
CHORE = f"{JOBS}/chores/_act_in_bulk.py"
WALK = f"{JOBS}/bulk/_walk.py"
TESTS = "packages/singr-jobs/tests/test_jobs_bulk.py"

BREAKAGES = (
    Breakage(
        "failures-met-again",
        "R34",
        "A bulk action goes through whatever is there when it comes by, and not what was there when it was asked for",
        (
            Edit(WALK, ", letter.failed_at <= asked.asked_at, ~again)", ")"),
            Edit(WALK, ".where(DeadLetter.id < first_id(asked.asked_at, after=1))", ""),
        ),
        f"{TESTS}::test_what_fails_again_meanwhile_is_not_met_again",
        "assert 3 == 2",
        "what had been requeued and failed again was requeued again, for as long as it failed",
    ),
    Breakage(
        "rates-unheeded",
        "R34",
        "The next bite of a bulk action is due at once, whatever its rate",
        (Edit(CHORE, "60 * acted / action.rate_per_minute", "0 * acted / action.rate_per_minute"),),
        f"{TESTS}::test_the_rate_is_kept",
        "== (1, 0)",
        "all had their turn within a moment, where one a minute was asked for",
    ),
    Breakage(
        "stops-unheeded",
        "R34",
        "Workers go on with a bulk action until it is done, though it was stopped",
        (Edit(CHORE, "state IN ('counting', 'running') AND next_at", "state <> 'done' AND next_at"),),
        f"{TESTS}::test_a_stopped_action_goes_no_further_and_another_goes_on_with_the_rest",
        "== 0",
        "what was stopped went on",
    ),
    Breakage(
        "bites-half-done",
        "R34",
        "How far a bulk action is stays as it was where its process dies, and what it did is done all the same",
        (
            Edit(
                CHORE,
                "        bitten = await _do(session, action, [row.id for row in looked.fitting[:room]])\n",
                "        async with self.db.platform() as other:\n"
                "            bitten = await _do(other, action, [row.id for row in looked.fitting[:room]])\n",
            ),
        ),
        f"{TESTS}::test_a_bite_that_breaks_off_is_taken_anew_and_each_has_its_turn_once",
        "assert ['requeued',",
        "jobs were requeued, and the action did not count them",
    ),
)
