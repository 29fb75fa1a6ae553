"""The rows that are kept: what each promises, and its tests."""

from __future__ import annotations

from dataclasses import dataclass

from broken import reliability, security

BREAKAGES = (*reliability.BREAKAGES, *security.BREAKAGES)

WORKER = "tests/faults/test_faults_worker.py"
STORES = "tests/faults/test_faults_stores.py"
CALLERS = "tests/faults/test_faults_callers.py"
API = "apps/api/tests"


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        short: tests of `make test`.
        full: tests of `make faults` (R rows) or `make security` (S rows).
    """

    name: str
    promise: str
    short: tuple[str, ...]
    full: tuple[str, ...]

    @property
    def command(self) -> str:
        """What runs the full form."""
        return "make faults" if self.name.startswith("R") else "make security"


_KILLED = f"{WORKER}::test_job_of_a_killed_worker_runs_again_within_30_s"
_FLUSHED = f"{STORES}::test_flushed_redis_loses_no_job"
_REDIS_KILLED = f"{STORES}::test_redis_killed_during_ingestion_loses_nothing"
_AWAY = f"{STORES}::test_redis_away_keeps_neither_ingestion_nor_work_waiting"
_DELAYED = f"{STORES}::test_delayed_jobs_survive_a_redis_restart_and_run_in_time"
_CRASHES = f"{STORES}::test_postgres_crashes_during_ingestion_leave_every_acknowledged_row_and_no_half_one"
_STOP = f"{WORKER}::test_stop_with_50_jobs_in_hand_loses_none_and_runs_none_twice"
_POISON = f"{WORKER}::test_job_that_kills_its_process_is_quarantined_and_its_neighbours_complete"
_ALONE = f"{WORKER}::test_jobs_lost_twice_run_one_at_a_time"
_CLAIMS = f"{WORKER}::test_several_dispatchers_and_sweepers_claim_no_job_twice"
_BAD_BODY = f"{API}/test_api_bad_input.py::test_bad_body_is_refused_by_field_with_its_remedy_and_stores_nothing"

ROWS = (
    Row(
        "R1",
        "`kill -9` of a worker in the middle of its jobs: none is lost, each runs again within 30 s, and its history"
        " shows the attempt that was lost (full: 100 kills)",
        (f"{_KILLED}[1-2-4.0]",),
        (f"{_KILLED}[10-10-15.0]",),
    ),
    Row(
        "R3",
        "`FLUSHALL` again and again with jobs queued: none is lost, all are done within 60 s (full: 10,000 jobs, 10 s"
        " of flushing)",
        (f"{_FLUSHED}[1000-1.0]",),
        (f"{_FLUSHED}[10000-10.0]",),
    ),
    Row(
        "R4",
        "`kill -9` of Redis, without persistence, during ingestion: every request is accepted, stored once and whole,"
        " and its mail is sent (full: 10,000)",
        (f"{_REDIS_KILLED}[300]",),
        (f"{_REDIS_KILLED}[10000]",),
    ),
    Row(
        "R5",
        "Redis away: ingestion answers 2xx all the while, jobs run, and all is done within 60 s (full: 60 s away)",
        (f"{_AWAY}[4.0]",),
        (f"{_AWAY}[60.0]",),
    ),
    Row(
        "R6",
        "Redis restarted with delayed jobs waiting: all run, none before its time, none more than 10 s late, without a"
        " restart of the worker (full: 1,000 jobs)",
        (f"{_DELAYED}[200-6.0]",),
        (f"{_DELAYED}[1000-30.0]",),
    ),
    Row(
        "R8",
        "PostgreSQL crashes during ingestion: every acknowledged job is there, whole and once, and nothing else is"
        " (full: 20 crashes)",
        (f"{_CRASHES}[3-300]",),
        (f"{_CRASHES}[20-5000]",),
    ),
    Row(
        "R10",
        "One idempotency key 100 times at once: one job, identical answers; another body is 422, still running is 409"
        " (full: 20 keys, over 4 processes)",
        (
            f"{API}/test_api_jobs.py::test_one_key_a_hundred_times_at_once_makes_one_job_and_identical_answers[lane]",
            f"{API}/test_api_jobs.py::test_key_reused_for_another_request_is_422_and_named[lane-body]",
            f"{API}/test_api_jobs.py::test_request_still_running_is_409[lane]",
        ),
        (f"{CALLERS}::test_one_key_at_once_over_several_processes_makes_one_job_and_identical_answers",),
    ),
    Row(
        "R11",
        "Another organization with our idempotency key gets a job of its own, and sees nothing of ours; row-level"
        " security holds also where a filter is forgotten (full: 400 keys shared by two, interleaved over 4 processes)",
        (
            f"{API}/test_api_jobs.py::test_another_organization_with_the_same_key_gets_its_own_job[lane]",
            f"{API}/test_api_jobs.py::test_another_organization_sees_nothing_of_ours",
            "packages/singr-db/tests/test_db_fence.py::test_tenant_sees_its_own_rows_only[jobs]",
        ),
        (f"{CALLERS}::test_two_organizations_that_share_their_keys_see_nothing_of_each_other",),
    ),
    Row(
        "R12",
        "SIGTERM with 50 jobs in hand: none is lost, none runs twice, exit within 30 s; what takes too long is handed"
        " back, and its attempt does not count",
        (f"{_STOP}[1.0]", f"{WORKER}::test_stop_cuts_off_what_takes_too_long_and_its_attempt_does_not_count"),
        (f"{_STOP}[5.0]",),
    ),
    Row(
        "R13",
        "A job that kills its process has failed after at most 3 tries, the last of them away from other suspects; its"
        " neighbours complete (full: 200 neighbours)",
        (f"{_POISON}[10]", f"{_ALONE}[3]"),
        (f"{_POISON}[200]", f"{_ALONE}[20]"),
    ),
    Row(
        "R14",
        "Several dispatchers and sweepers at once: no job is claimed twice (full: 10,000 jobs, 4 processes)",
        (f"{_CLAIMS}[2000-3]",),
        (f"{_CLAIMS}[10000-4]",),
    ),
    Row(
        "S2",
        "Hostile bodies (NUL, integers past 64 bits, bad UTF-8, 200,000 levels, half characters, 11 MB in chunks) are"
        " answered 4xx, never 500, and store nothing (full: in every place of the body, and 5,000 random corruptions)",
        (
            f"{_BAD_BODY}[lane-escaped NUL]",
            f"{API}/test_api_bad_input.py::test_oversize_body_is_413_declared_or_chunked[lane-chunked]",
        ),
        (
            "tests/security/test_hostile_bodies.py::test_hostile_value_in_any_place_is_refused_and_stores_nothing",
            "tests/security/test_hostile_bodies.py::test_corrupted_body_is_never_a_fault_of_ours",
        ),
    ),
    Row(
        "S3",
        "Every route admits whom the policy table names and nobody else; a route that is not in the table is not served"
        " (full: every route by every single scope, expired, revoked, forged and foreign credentials)",
        (
            f"{API}/test_api_policy.py::test_every_route_that_is_served_is_in_the_table_and_the_other_way_round",
            f"{API}/test_api_policy.py::test_route_admits_whom_its_policy_names[GET /v1/jobs]",
        ),
        ("tests/security/test_access.py::test_every_route_admits_its_scope_and_no_other_and_no_dead_credential",),
    ),
    Row(
        "S11",
        "A signed request is accepted once, within 300 s, and only as it was signed; a replay is refused also after"
        " Redis was flushed (full: 50 replays at once over 4 processes and after both stores restarted; every byte"
        " altered)",
        (
            f"{API}/test_api_signing.py::test_request_from_another_time_is_refused[lane--301]",
            f"{API}/test_api_signing.py::test_altered_request_is_refused[lane-body]",
            f"{API}/test_api_signing.py::test_replay_is_refused_also_after_the_cache_is_flushed[lane]",
        ),
        (
            "tests/security/test_signed_requests.py::test_replays_at_once_over_several_processes_are_accepted_once",
            "tests/security/test_signed_requests.py::test_no_altered_byte_passes",
        ),
    ),
)
