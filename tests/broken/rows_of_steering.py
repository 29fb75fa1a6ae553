"""The rows of what steers jobs: schedules, flows, keys, limits, dead letters and bulk actions."""

from __future__ import annotations

from broken.breakage import Row

API = "apps/api/tests"
_OF_KEYS = "tests/faults/test_faults_keys.py::test_no_key_runs_above_its_limit_and_none_waits_for_another"
_KEYED = "packages/singr-jobs/tests/test_jobs_keyed.py"
_LIMITS = (
    "tests/faults/test_faults_limits.py"
    "::test_a_limit_holds_while_holders_are_killed_and_once_it_is_lowered_under_what_runs"
)
_STEERED = "packages/singr-jobs/tests/test_jobs_queue_settings.py"
_SHARING = "packages/singr-jobs/tests/test_jobs_sharing.py"
_MANY = "packages/singr-jobs/tests/test_jobs_many_organizations.py"
_LOSING = "packages/singr-jobs/tests/test_jobs_losing.py"
_LATER = "packages/singr-jobs/tests/test_jobs_later.py"
_MIXED = "packages/singr-jobs/tests/test_jobs_mixed.py"
_FLOWS = "tests/faults/test_faults_flows.py"
_ENDS_AT_ONCE = f"{_FLOWS}::test_members_that_end_at_once_in_every_way_leave_no_flow_waiting"
_FLOWS_STOP = f"{_FLOWS}::test_flows_that_stop_are_over_once_their_members_failed_were_cancelled_or_completed"
_AGAIN = "packages/singr-jobs/tests/test_jobs_flows_again.py"
_LOOKED_AT = "packages/singr-jobs/tests/test_jobs_flows_looked_at.py"
_BULK = "packages/singr-jobs/tests/test_jobs_bulk.py"
_FAILS_AGAIN = (
    "tests/faults/test_faults_bulk.py"
    "::test_what_is_requeued_in_bulk_and_fails_again_had_its_turn_once_whoever_is_killed"
)
_CHANGES = (
    "tests/faults/test_faults_schedules.py::test_over_both_changes_of_clocks_each_time_becomes_one_job_whatever_dies"
)
_DIGESTS = (
    "tests/faults/test_faults_digests.py::test_over_both_changes_of_clocks_each_item_is_told_once_at_its_readers_hour"
)

_CLOSING = (
    "packages/singr-comms/tests/test_comms_digests_at_once.py"
    "::test_whoever_dies_while_it_closes_leaves_all_of_it_or_one_mail"
)

STEERING = (
    Row(
        "R27",
        "Schedules over both changes of clocks, by fixed time, by `*` and by interval, with a worker that dies in the"
        " middle of each time, two that meet it at once, and a clock that goes back: each time becomes one job, and"
        " none is lost (full: two days on both sides of each change). Digests likewise, of three zones, with items"
        " at the very instant of a closing, a worker that dies in the middle of each, two that close at once, and a day"
        " on which nobody does: each item is told once, at its reader's hour, in no empty mail (full: twenty days)",
        (
            f"{_CHANGES}[1.5]",
            f"{_DIGESTS}[3]",
            "packages/singr-comms/tests/test_comms_clocks.py::test_postgresql_and_python_say_the_same",
            _CLOSING,
        ),
        (f"{_CHANGES}[48]", f"{_DIGESTS}[20]"),
    ),
    Row(
        "R28",
        "Flows whose members end at once in every way (completed, failed, lost, cancelled), in batches over all of"
        " them, some written by who dies before the commit, by a process that is killed with `kill -9` there, or by a"
        " worker that counts nobody; given back or discarded since; and one who adds a member while another ends: none"
        " waits for ever, each has one completion job, nobody is in a deadlock (full: 150 flows)",
        (
            f"{_ENDS_AT_ONCE}[6]",
            f"{_FLOWS_STOP}[6]",
            f"{_FLOWS}::test_one_who_adds_to_a_flow_and_one_who_ends_its_member_miss_each_other_never",
            f"{_FLOWS}::test_who_is_killed_between_a_members_end_and_its_commit_has_ended_nothing",
            f"{_AGAIN}::test_members_that_run_again_together_do_so_in_their_order[in bulk]",
            f"{_LOOKED_AT}::test_a_flow_whose_member_nobody_counted_goes_on_with_the_next_look",
        ),
        (f"{_ENDS_AT_ONCE}[150]", f"{_FLOWS_STOP}[150]"),
    ),
    Row(
        "R29",
        "Of a key no more jobs run at once than its limit says, though their workers are killed and the limit is"
        " lowered under what runs; thousands of one key keep no job of another waiting (full: 1,000,000 of one key, ten"
        " kills, four processes)",
        (
            f"{_OF_KEYS}[5000-1-2]",
            f"{_KEYED}::test_the_end_of_one_lets_the_next_through_in_its_transaction",
            f"{_KEYED}::test_a_lowered_limit_holds_once_enough_has_ended",
            f"{_KEYED}::test_a_slot_of_a_job_that_has_ended_is_forgotten",
        ),
        (f"{_OF_KEYS}[1000000-10-4]",),
    ),
    Row(
        "R33",
        "Queues that operators steer: from its commit on nothing is taken from a paused queue, and never more than a"
        " limit allows of a queue or an organization, whoever takes at once; who floods a queue leaves places and turns"
        " to others, also with what becomes due, and with slow jobs among quick ones (full: processes killed with jobs"
        " in hand, and a limit lowered under what runs)",
        (
            f"{_STEERED}::test_from_the_commit_of_a_pause_on_nothing_is_taken_by_whoever_has_not_heard_of_it",
            f"{_STEERED}::test_limits_of_a_queue_and_of_organizations_hold_together",
            f"{_STEERED}::test_several_that_take_at_once_stay_within_a_limit",
            f"{_STEERED}::test_a_full_queue_goes_on_once_an_outcome_is_written_whose_place_was_free_before",
            f"{_SHARING}::test_who_floods_leaves_a_quarter_to_those_that_have_less_than_their_share",
            f"{_SHARING}::test_who_has_ended_leaves_a_place_to_others_while_the_outcome_is_written",
            f"{_MANY}::test_nobody_has_more_turns_for_being_last_in_the_order_of_ids",
            f"{_LATER}::test_what_is_due_behind_a_flood_moves_within_as_many_looks_as_there_are_pages",
            f"{_MIXED}::test_a_place_is_kept_for_who_is_quick_beside_slow_jobs_that_came_at_once[with redis]",
            f"{_MIXED}::test_of_a_ticket_what_has_no_place_waits_in_turn_with_others",
            f"{_LOSING}::test_what_waits_apart_is_taken_by_turns_of_its_organizations[9]",
            f"{_MIXED}::test_jobs_that_were_lost_have_no_more_than_their_share",
        ),
        (_LIMITS,),
    ),
    Row(
        "R34",
        "Dead letters that are requeued in bulk and fail again: each has its turn once in an action, no faster than"
        " asked, though workers are killed in the middle, the action is stopped and others are asked for over the same"
        " letters; the same request twice is one action, and no job is lost (full: 100,000, four processes)",
        (
            f"{_FAILS_AGAIN}[300-1-120-6000]",
            f"{_BULK}::test_what_fails_again_meanwhile_is_not_met_again",
            f"{_BULK}::test_a_bite_that_breaks_off_is_taken_anew_and_each_has_its_turn_once",
            f"{_BULK}::test_the_rate_is_kept",
            f"{_BULK}::test_a_stopped_action_goes_no_further_and_another_goes_on_with_the_rest",
            f"{API}/test_api_bulk_actions.py::test_the_same_request_asked_twice_is_one_action",
        ),
        (f"{_FAILS_AGAIN}[100000-4-12000-30000]",),
    ),
)
