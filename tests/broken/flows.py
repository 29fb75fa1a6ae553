"""Breakages of the row about flows: members that run again, are given up, or are counted by nobody."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

AGAIN = "packages/singr-db/src/singr_db/_migrations/versions/0041_members_again.py"
FLOWS = "packages/singr-db/src/singr_db/_migrations/versions/0028_flows.py"
KEEPER = "packages/singr-jobs/src/singr_jobs/flows/_keeper.py"
TESTS = "packages/singr-jobs/tests"

BREAKAGES = (
    Breakage(
        "orders-forgotten",
        "R28",
        "Members that are requeued together are due at once, whomever they wait for",
        (Edit(AGAIN, "(p.status = 'pending' OR", "(false AND p.status = 'pending' OR"),),
        f"{TESTS}/test_jobs_flows_again.py::test_members_that_run_again_together_do_so_in_their_order[in bulk]",
        "assert ['ready', 'ready'] == ['ready', 'waiting']",
        "who waited for a member that ran again ran beside it",
    ),
    Breakage(
        "given-up-unheeded",
        "R28",
        "A flow that stands because of a member goes on standing when that is discarded",
        (Edit(FLOWS, "e.state IN ('discarded', 'expired')", "e.state IN ('expired')"),),
        "tests/faults/test_faults_flows.py"
        "::test_flows_that_stop_are_over_once_their_members_failed_were_cancelled_or_completed[6]",
        "a flow waits for ever",
        "what waited in flows whose failed member somebody had given up waited for ever",
    ),
    Breakage(
        "uncounted-ends",
        "R28",
        "Nobody looks between two audits whether members ended that were not counted",
        (Edit(KEEPER, "there.ended <> f.completed", "there.ended < -f.completed"),),
        f"{TESTS}/test_jobs_flows_looked_at.py::test_a_flow_whose_member_nobody_counted_goes_on_with_the_next_look",
        "assert 0 == 1",
        "flows whose members a worker of an older release had ended waited for the next hour",
    ),
)
