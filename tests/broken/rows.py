"""The rows about failures: what each promises, and its tests; of messages, steering and attacks they stand beside."""

from __future__ import annotations

from broken import load, reliability
from broken.breakage import Row
from broken.rows_of_attacks import ATTACKS
from broken.rows_of_messages import MESSAGES
from broken.rows_of_steering import STEERING

WORKER = "tests/faults/test_faults_worker.py"
STORES = "tests/faults/test_faults_stores.py"
CALLERS = "tests/faults/test_faults_callers.py"
API = "apps/api/tests"
_KILLED = f"{WORKER}::test_job_of_a_killed_worker_runs_again_within_30_s"
_FLUSHED = f"{STORES}::test_flushed_redis_loses_no_job"
_REDIS_KILLED = f"{STORES}::test_redis_killed_during_ingestion_loses_nothing"
_AWAY = f"{STORES}::test_redis_away_keeps_neither_ingestion_nor_work_waiting"
_CARRIERS = "tests/faults/test_faults_carriers.py::test_carrier_that_is"
_BEHIND = (
    "tests/faults/test_faults_carriers.py::test_what_waits_behind_slow_jobs_is_handed_over_or_given_back_and_done_once"
)
_CARRIED = ("redis", "rabbitmq", "none")
_DELAYED = f"{STORES}::test_delayed_jobs_survive_a_redis_restart_and_run_in_time"
_CRASHES = f"{STORES}::test_postgres_crashes_during_ingestion_leave_every_acknowledged_row_and_no_half_one"
_STOP = f"{WORKER}::test_stop_with_50_jobs_in_hand_loses_none_and_runs_none_twice"
_POISON = f"{WORKER}::test_job_that_kills_its_process_is_quarantined_and_its_neighbours_complete"
_ALONE = f"{WORKER}::test_jobs_lost_twice_run_one_at_a_time"
_CLAIMS = f"{WORKER}::test_several_dispatchers_and_sweepers_claim_no_job_twice"
_READ_ONLY = "tests/faults/test_faults_failover.py::test_a_database_that_turns_read_only_costs_nobody_anything"
_STOP_READ_ONLY = (
    "tests/faults/test_faults_failover.py::test_a_stop_while_the_database_is_read_only_keeps_what_was_done"
)
_REACH = "tests/faults/test_faults_reach.py::test_an_outage_that_reaches_handlers_alone_costs_no_message"
_OUTAGES = "packages/singr-jobs/tests/test_jobs_outages.py::test_an_outage_that_a_handler_meets_counts_no_attempt"
_MARKS = "packages/singr-jobs/tests/test_jobs_marks.py"
_AGAIN = f"{_MARKS}::test_first_answer_is_given_again_to_the_byte_whatever_became_of_the_job"
_INGESTION = "packages/singr-jobs/tests/test_jobs_ingestion.py"
_KEYS = "packages/singr-jobs/tests/test_jobs_keys.py"
_HOSTILE = "packages/singr-jobs/tests/test_jobs_hostile_role.py"
_OWN_IDS = "packages/singr-jobs/tests/test_jobs_own_ids.py"
_FAILING = "packages/singr-jobs/tests/test_jobs_failing.py"
_HANDING = "packages/singr-jobs/tests/test_jobs_handing.py"
_LEASES = "packages/singr-jobs/tests/test_jobs_leases.py"
_SWEEPING = "packages/singr-jobs/tests/test_jobs_sweeping.py"
_STANDBY = "packages/singr-jobs/tests/test_jobs_standby.py"
_DISTURBED = "packages/singr-jobs/tests/test_jobs_disturbed.py"
_UNDONE = f"{STORES}::test_a_crash_that_undoes_a_take_lets_its_jobs_wait_again_and_counts_nothing"
_RETENTION = "tests/faults/test_faults_retention.py"
_OVER_THE_YEARS = (
    f"{_RETENTION}::test_over_week_53_the_turn_of_the_year_and_leap_day_nothing_wanted_goes_and_nothing_comes_back"
)
_FLOWS = "tests/faults/test_faults_flows.py"
_NAMES = "packages/singr-jobs/tests/test_jobs_names.py"
_SIDE_BY_SIDE = f"{_NAMES}::test_old_and_new_worker_side_by_side_burn_no_attempt_of_a_new_type"
_CLEARING = "packages/singr-jobs/tests/test_jobs_clearing.py"
_SOAK = "tests/faults/test_faults_soak.py::test_a_transaction_held_open_makes_takes_no_dearer_with_the_time"
_SIGN_INS = "tests/faults/test_faults_sign_ins.py::test_sign_ins_at_once_leave_other_routes_quick_and_memory_bounded"
_SUBSCRIPTIONS = "packages/singr-comms/tests/test_comms_subscriptions.py"
_CHANGING = "tests/faults/test_faults_subscriptions.py"
_AROUND = (
    "tests/faults/test_faults_providers.py"
    "::test_workers_killed_around_the_call_send_nothing_twice_and_flag_what_is_in_doubt"
)
_LEDGER = "packages/singr-comms/tests/test_comms_ledger.py"
_SETTLING = "packages/singr-comms/tests/test_comms_settling.py"
_DIED = (
    "a_provider_that_takes_idempotency_keys_gets_every_message_exactly_once",
    "any_other_message_whose_sender_died_is_flagged_and_never_sent_twice",
    "a_code_whose_sender_died_is_sent_again",
)
INBOX_AFTER_A_RESTORE = (
    "apps/api/tests/test_api_live_inbox.py"
    "::test_who_knows_what_a_restore_took_away_reads_anew_though_as_much_came_since"
)
NAMES_AFTER_A_RESTORE = (
    "packages/singr-comms/tests/test_comms_category_names.py::test_names_that_a_restore_took_away_are_kept_again"
)
_RESTORED = "tests/faults/test_faults_restored.py"
_OPEN_IN_RESTORED = f"{_RESTORED}::test_what_was_open_in_a_restored_database_is_done_and_what_had_ended_is_not"

FAILURES = (
    Row(
        "R1",
        "`kill -9` of a worker in the middle of its jobs: none is lost, each runs again within 30 s, and its history"
        " shows the attempt that was lost (full: 100 kills)",
        (f"{_KILLED}[1-2-4.0]",),
        (f"{_KILLED}[10-10-15.0]",),
    ),
    Row(
        "R2",
        "A worker that dies before, in or after its provider's call: where the provider keeps idempotency keys, each"
        " message is accepted once; elsewhere what is in doubt is flagged and not sent again, but for codes (full: 20"
        " processes killed at any moment among 1,000 mails and SMS)",
        (
            *(f"{_LEDGER}::test_{what}[{point}]" for what in _DIED for point in ("before", "after")),
            f"{_SETTLING}::test_last_failure_leaves_it_in_doubt",
            f"{_SETTLING}::test_what_was_not_taken_is_sent_anew[email]",
        ),
        (_AROUND,),
    ),
    Row(
        "R3",
        "`FLUSHALL` again and again with jobs queued: none is lost, all are done within 60 s (full: 10,000 jobs, 10 s"
        " of flushing)",
        (f"{_FLUSHED}[300-0.3]",),
        (f"{_FLUSHED}[10000-10.0]",),
    ),
    Row(
        "R4",
        "`kill -9` of Redis, without persistence, during ingestion: every request is accepted, stored once and whole,"
        " and its mail is sent (full: 10,000)",
        (f"{_REDIS_KILLED}[120]",),
        (f"{_REDIS_KILLED}[10000]",),
    ),
    Row(
        "R5",
        "Redis away: ingestion answers 2xx all the while, jobs run, and all is done within 60 s; what RabbitMQ refuses"
        " of one queue holds up no other (full: 60 s away; and with Redis, RabbitMQ in its place, or neither: killed"
        " under load, frozen, back)",
        (f"{_AWAY}[2.0]", reliability.RABBIT_REFUSES),
        (
            f"{_AWAY}[60.0]",
            *(f"{_CARRIERS}_killed_under_load_and_comes_back_costs_nothing_but_time[{one}]" for one in _CARRIED),
            *(f"{_CARRIERS}_frozen_keeps_no_request_waiting[{one}]" for one in _CARRIED),
            *(f"{_BEHIND}[{one}]" for one in _CARRIED),
        ),
    ),
    Row(
        "R6",
        "Redis restarted with delayed jobs waiting: all run, none before its time, none more than 10 s late, without a"
        " restart of the worker (full: 1,000 jobs)",
        (f"{_DELAYED}[200-6.0]",),
        (f"{_DELAYED}[1000-30.0]",),
    ),
    Row(
        "R7",
        "Three in ten replies of Redis vanish, and their connections fall silent: nothing is kept for a minute, no job"
        " is lost or done twice, each request is stored once (full: one in a hundred, until 50 have vanished)",
        (load.R7,),
        (f"{load.R7.partition('[')[0]}[0.01-50-5000]",),
    ),
    Row(
        "R8",
        "PostgreSQL crashes during ingestion: every acknowledged job is there, whole and once, and nothing else is"
        " (full: 20 crashes)",
        (f"{_CRASHES}[3-300]",),
        (f"{_CRASHES}[20-5000]",),
    ),
    Row(
        "R9",
        "A connection that ends inside COMMIT: the caller hears an error, and its retry with the same key is stored"
        " once (full: 300 keys, two processes)",
        (f"{_INGESTION}::test_commit_cut_off_and_retried_with_the_same_key_makes_one_job",),
        (f"{CALLERS}::test_commits_that_are_cut_off_and_retried_make_one_job_each",),
    ),
    Row(
        "R10",
        "One idempotency key 100 times at once: one job, identical answers; another body is 422, still running is 409;"
        " the same answer to the byte whatever became of the job, and 410 once it is gone; a unique key is held by one"
        " job, and free once that is gone, however it went; one in"
        " an open transaction is 409, and keeps no other caller from a connection (full: 20 keys, over 4 processes)",
        (
            f"{API}/test_api_jobs.py::test_one_key_a_hundred_times_at_once_makes_one_job_and_identical_answers[lane]",
            f"{API}/test_api_jobs.py::test_key_reused_for_another_request_is_422_and_named[lane-body]",
            f"{API}/test_api_jobs.py::test_request_still_running_is_409[lane]",
            f"{_AGAIN}[tried again later-narrow]",
            f"{_AGAIN}[completed-wide]",
            f"{_MARKS}::test_answer_of_a_job_that_is_gone_with_its_partition_is_refused_and_nothing_is_made_anew",
            f"{_MARKS}::test_neighbours_of_one_that_was_seen_before_are_stored_and_it_is_answered_again",
            f"{_MARKS}::TestBesideTheReleaseBefore::test_it_does_nothing_under_a_key_of_ours",
            f"{_KEYS}::test_key_asked_for_by_many_at_once_makes_one_job",
            f"{_KEYS}::test_key_is_free_however_its_job_went[its partition dropped]",
            f"{_HOSTILE}::test_keys_in_an_open_transaction_leave_the_lane_its_connections[many]",
        ),
        (f"{CALLERS}::test_one_key_at_once_over_several_processes_makes_one_job_and_identical_answers",),
    ),
    Row(
        "R11",
        "Another organization with our idempotency key gets a job of its own, and sees nothing of ours; row-level"
        " security holds also where a filter is forgotten, a claim that a service wrote shows nobody's job, and an id"
        " that another's job has is refused (full: 400 keys shared by two, interleaved over 4 processes)",
        (
            f"{API}/test_api_jobs.py::test_another_organization_with_the_same_key_gets_its_own_job[lane]",
            f"{API}/test_api_jobs.py::test_another_organization_sees_nothing_of_ours",
            "packages/singr-db/tests/test_db_fence.py::test_tenant_reaches_its_own_rows_only[jobs]",
            f"{_HOSTILE}::test_claim_of_a_job_of_anothers_shows_that_job_to_no_caller[of another organization]",
            f"{_OWN_IDS}::test_the_id_of_anothers_job_is_refused_and_leaves_nothing[database-plain]",
        ),
        (f"{CALLERS}::test_two_organizations_that_share_their_keys_see_nothing_of_each_other",),
    ),
    Row(
        "R12",
        "SIGTERM with 50 jobs in hand: none is lost, none runs twice, exit within 30 s; what takes too long is handed"
        " back, and its attempt does not count",
        (f"{_STOP}[1.0]",),
        (f"{_STOP}[5.0]",),
    ),
    Row(
        "R13",
        "A job that kills its process has failed after at most 3 tries, the last of them away from other suspects; its"
        " neighbours complete (full: 200 neighbours)",
        (f"{_POISON}[10]",),
        (f"{_POISON}[200]", _ALONE),
    ),
    Row(
        "R14",
        "Several dispatchers and sweepers at once: no job is claimed twice, nor by a ticket that arrives twice, after"
        " somebody else took or swept it, or in another database (full: 10,000 jobs, 4 processes)",
        (
            f"{_CLAIMS}[600-3]",
            f"{_HANDING}::test_a_ticket_that_comes_twice_begins_its_jobs_once",
            f"{_HANDING}::test_a_ticket_that_arrives_after_its_jobs_were_swept_begins_nothing",
            f"{_HANDING}::test_a_ticket_that_arrives_after_another_has_accepted_it_begins_nothing",
            f"{_HANDING}::test_a_ticket_of_another_database_begins_nothing_and_costs_its_job_no_attempt",
        ),
        (f"{_CLAIMS}[10000-4]",),
    ),
    Row(
        "R16",
        "Requests that are cancelled in flight leave no transaction open and keep no connection; what each asked for is"
        " there whole or not at all (full: 1,000, two processes)",
        (f"{_INGESTION}::test_callers_that_go_away_leave_no_connection_behind",),
        (f"{CALLERS}::test_requests_that_are_cancelled_in_flight_leave_no_transaction_and_no_connection_behind",),
    ),
    Row(
        "R17",
        "Many sign-ins at once: each is answered, other routes go on being answered, memory stays bounded (full: 200 at"
        " once, p99 of other routes at most 250 ms)",
        (f"{_SIGN_INS}[40-None]",),
        (f"{_SIGN_INS}[200-0.25]",),
    ),
    Row(
        "R18",
        "Load at four fifths of what the workers can do, and processes killed by chance: no job is lost, and the memory"
        " of those that live on stays flat (full: 30 minutes, 90 kills)",
        (load.R18,),
        (f"{load.R18.partition('[')[0]}[1800.0-90-25.0]",),
    ),
    Row(
        "R19",
        "One event of Stripe ten times, shuffled with its neighbours and applied at once: it has one effect, the"
        " subscription ends as Stripe has it, and 2xx comes after the commit alone (full: 300 events of 30"
        " subscriptions that go on changing meanwhile)",
        (
            f"{_SUBSCRIPTIONS}::test_events_shuffled_and_doubled_end_as_stripe_has_it[asking]",
            f"{_SUBSCRIPTIONS}::test_events_shuffled_and_doubled_end_as_stripe_has_it[events]",
            f"{_SUBSCRIPTIONS}::test_one_event_ten_times_asks_stripe_once",
            f"{_SUBSCRIPTIONS}::test_fetch_that_began_last_wins_over_one_that_ends_last",
            f"{API}/test_api_webhooks.py::test_proved_callback_is_stored_once_however_often_and_at_once_it_comes",
        ),
        (f"{_CHANGING}::test_events_of_subscriptions_that_go_on_changing_end_as_stripe_has_them",),
    ),
    Row(
        "R21",
        "PostgreSQL turns read-only (failover): 503 with `Retry-After`, `/ready` says so, no process ends, nothing that"
        " was done runs again or is recorded as failed, and what a stop finds done is written; an outage that reaches"
        " handlers alone (a full disk, no tenant role, a right, Redis) counts no attempt and costs no message (full:"
        " 10 s, connections cut)",
        (
            f"{_READ_ONLY}[by_reload-4.0-5.0-1]",
            _STOP_READ_ONLY,
            f"{_REACH}[disk_full-role_missing]",
            f"{_OUTAGES}[disk full]",
            f"{_OUTAGES}[redis away]",
        ),
        (
            f"{_READ_ONLY}[by_cutting-4.0-10.0-2]",
            f"{_READ_ONLY}[by_reload-15.0-10.0-2]",
            f"{_REACH}[rights_missing-100-5]",
            f"{_REACH}[disk_full-100-6]",
        ),
    ),
    Row(
        "R20",
        "PostgreSQL away, locked, with its clock a minute ahead, or with commits that wait for a dead standby, for"
        " longer than a lease and with jobs in hand: none is taken from a living worker, and no attempt is counted;"
        " crashed before a take was on disk, it lets the jobs wait again, and none is lost or counted. Whatever lies"
        " nowhere or in two places all the same is found, told, and lies in one again (full: three leases; ten such"
        " crashes)",
        (
            f"{_LEASES}::test_a_table_that_is_locked_for_longer_than_a_lease_costs_no_job_its_attempt",
            f"{_LEASES}::test_a_database_whose_clock_jumps_ahead_takes_no_job_from_a_living_worker",
            f"{_SWEEPING}::test_after_an_outage_living_workers_have_a_whole_lease_to_say_so",
            f"{_SWEEPING}::test_a_sweep_that_had_to_wait_takes_nothing",
            f"{_STANDBY}::test_where_commits_wait_for_a_dead_standby_that_is_told_leases_are_renewed_and_none_is_taken",
            f"{_UNDONE}[1]",
            f"{_SWEEPING}::test_a_job_that_lies_nowhere_is_found_counted_and_given_a_place",
            f"{_DISTURBED}::test_the_audit_leaves_a_job_in_one_place",
        ),
        (
            f"{_UNDONE}[10]",
            f"{STORES}::test_postgres_out_of_reach_for_three_leases_takes_no_job_from_a_living_worker[locked]",
            f"{STORES}::test_postgres_out_of_reach_for_three_leases_takes_no_job_from_a_living_worker[away]",
        ),
    ),
    Row(
        "R22",
        "However a handler fails (errors that cannot be printed, encoded or stored, exits, groups, results of"
        " 20 MB; the loop blocked for two leases, cancellation swallowed), its job ends, and its neighbours and its"
        " queue do not notice; nor when an observer raises or a statement is refused (full: 600 such jobs among 600"
        " others, two processes)",
        (
            f"{_LEASES}::test_a_handler_that_blocks_the_loop_for_two_leases_loses_no_job",
            f"{_LEASES}::test_a_handler_that_swallows_its_cancellation_is_given_up_and_its_place_is_free",
            f"{_LEASES}::test_handlers_that_were_given_up_are_twice_as_many_as_there_are_places_at_the_most",
            f"{_FAILING}::test_a_job_ends_in_whatever_way_its_handler_fails[lone surrogate]",
            f"{_FAILING}::test_a_job_ends_in_whatever_way_its_handler_fails[exit]",
            f"{_FAILING}::test_a_job_ends_in_whatever_way_its_handler_fails[nul in a result]",
            f"{_FAILING}::test_a_job_ends_in_whatever_way_its_handler_fails[huge result]",
            f"{_FAILING}::test_an_observer_that_raises_changes_nothing[exit]",
            f"{_FAILING}::test_an_outcome_that_cannot_be_written_holds_up_no_other",
            f"{_FAILING}::test_statements_that_are_refused_end_no_worker_and_lose_no_outcome",
        ),
        (f"{WORKER}::test_jobs_that_fail_in_every_way_take_no_process_and_no_neighbour_with_them",),
    ),
    Row(
        "R23",
        "Old and new workers side by side, with a job type that only the new ones know: none is lost, each runs once"
        " and in its first attempt; one that nobody knows waits untouched, and holds up nothing behind it (full: 2,000"
        " such jobs among 2,000 others, two processes of each)",
        (
            _SIDE_BY_SIDE,
            f"{_NAMES}::test_a_job_of_an_unknown_type_waits_untouched_for_a_worker_that_knows_it",
            f"{_NAMES}::test_a_ticket_at_a_process_that_does_not_know_its_job_costs_no_attempt",
            f"{_NAMES}::test_5000_unknown_jobs_in_front_hold_up_nothing_behind_them",
        ),
        (f"{WORKER}::test_workers_of_two_releases_burn_no_attempt_of_a_type_that_is_new",),
    ),
    Row(
        "R30",
        "Weeks of jobs go over week 53, the turn of the year and leap day, with delayed and failed jobs and members of"
        " open flows inside: nothing wanted goes, nothing that went comes back, and an open dead letter keeps its job's"
        " log; killed before any of its statements a drop loses nothing, and a long transaction holds up the drop and"
        " nobody else (full: 72 weeks in one go)",
        (
            f"{_OVER_THE_YEARS}[8]",
            f"{_OVER_THE_YEARS}[leap]",
            f"{_RETENTION}::test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on",
            f"{_RETENTION}::test_long_transaction_holds_the_drop_up_and_nobody_else",
            f"{_RETENTION}::test_job_in_hand_outlives_its_week_and_is_given_no_second_place",
            f"{_FLOWS}::test_members_of_a_flow_that_has_not_ended_outlive_their_week",
        ),
        (f"{_OVER_THE_YEARS}[72]",),
    ),
    Row(
        "R32",
        "A transaction stays open for as long as it likes, so that vacuum clears nothing: what a take looks at does not"
        " grow with what was taken meanwhile, nothing is lost, and how long it has been open is told (full: 10 minutes"
        " of 300 jobs a second; an hour by `SOAK_MINUTES=60 make faults ARGS='-s -k held_open'`, with a line a minute)",
        (
            f"{_CLEARING}::test_a_take_looks_at_few_pages_though_a_long_transaction_keeps_what_was_taken",
            f"{_CLEARING}::test_what_lives_stays_where_it_is",
            f"{_CLEARING}::test_a_table_that_somebody_uses_is_left_alone_and_nobody_is_kept_waiting",
            f"{_CLEARING}::test_for_how_long_a_transaction_has_been_open_is_told",
        ),
        (_SOAK,),
    ),
    Row(
        "R37",
        "The database goes back to an earlier moment under running processes, as a dump is restored: what was open"
        " then is done, what had ended is not, what came later is forgotten, no process ends, and whoever remembers"
        " what came later reads anew; Redis may be newer, or older, and nothing is done twice (full: 300 jobs)",
        (
            f"{_OPEN_IN_RESTORED}[20]",
            f"{_RESTORED}::test_redis_that_goes_back_to_an_earlier_state_does_nothing_twice",
            INBOX_AFTER_A_RESTORE,
            NAMES_AFTER_A_RESTORE,
        ),
        (f"{_OPEN_IN_RESTORED}[300]",),
    ),
)
ROWS = (*FAILURES, *MESSAGES, *STEERING, *ATTACKS)
