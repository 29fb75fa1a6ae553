"""Breakages of the reliability rows."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
DB = "packages/singr-db/src/singr_db"
SQL = f"{JOBS}/running/_sql.py"
ENDING = f"{DB}/ending/_statements.py"
INGEST = f"{JOBS}/intake/_ingest.py"
RUNNER = f"{JOBS}/running/_runner.py"
DISPATCHER = f"{JOBS}/running/_dispatcher.py"
SWEEPER = f"{JOBS}/maintenance/_sweeper.py"
LIMITS = "apps/api/src/singr_api/admission/limits.py"

WORKER_TESTS = "tests/faults/test_faults_worker.py"
STORE_TESTS = "tests/faults/test_faults_stores.py"

R1 = f"{WORKER_TESTS}::test_job_of_a_killed_worker_runs_again_within_30_s[1-2-4.0]"
R3 = f"{STORE_TESTS}::test_flushed_redis_loses_no_job[300-0.3]"
R4 = f"{STORE_TESTS}::test_redis_killed_during_ingestion_loses_nothing[120]"
R5 = f"{STORE_TESTS}::test_redis_away_keeps_neither_ingestion_nor_work_waiting[2.0]"
R6 = f"{STORE_TESTS}::test_delayed_jobs_survive_a_redis_restart_and_run_in_time[200-6.0]"
R8 = f"{STORE_TESTS}::test_postgres_crashes_during_ingestion_leave_every_acknowledged_row_and_no_half_one[3-300]"
R12 = f"{WORKER_TESTS}::test_stop_with_50_jobs_in_hand_loses_none_and_runs_none_twice[1.0]"
R13 = f"{WORKER_TESTS}::test_job_that_kills_its_process_is_quarantined_and_its_neighbours_complete[10]"
R14 = f"{WORKER_TESTS}::test_several_dispatchers_and_sweepers_claim_no_job_twice[600-3]"

LIMITS_CLOSED = Edit(
    LIMITS,
    """            _log.warning("rate limits are open while Redis is away: {}", type(error).__name__)
            return headers""",
    """            raise Problem(RATE_LIMITED, "Wait.", headers={"retry-after": "1"}) from error""",
)
NO_LOCAL_TICKETS = Edit(
    DISPATCHER,
    """        for ticket in tickets:
            self._taker.accept(ticket)

    def""",
    """    def""",
)

BREAKAGES = (
    Breakage(
        "lost-jobs-unswept",
        "R1",
        "The sweeper no longer looks for jobs whose worker fell silent",
        (Edit(SWEEPER, 'LOSE, {"limit": _BATCH, ', 'LOSE, {"limit": 0, '),),
        R1,
        "not within 30 s: all of marks",
        "the jobs of the killed workers stayed `processing` for good",
    ),
    Breakage(
        "lost-jobs-swept-after-an-hour",
        "R1",
        "A silent job counts as lost only an hour after its lease ran out",
        (
            Edit(
                ENDING,
                "SELECT id, lease_token FROM jobs WHERE status = 'processing' AND leased_until < now()\n",
                "SELECT id, lease_token FROM jobs WHERE status = 'processing'"
                " AND leased_until < now() - interval '1 hour'\n",
            ),
        ),
        R1,
        "not within 30 s: all of marks",
        "none was lost, but none ran again in time",
    ),
    Breakage(
        "lost-tickets-unswept",
        "R3",
        "The sweeper no longer looks for jobs whose ticket was lost",
        (Edit(SWEEPER, '_sql.SWEEP_UNSTARTED, {"limit": _BATCH}', '_sql.SWEEP_UNSTARTED, {"limit": 0}'),),
        R3,
        "not within 60 s: all completed",
        "the jobs whose tickets were flushed stayed `dispatched` for good",
    ),
    Breakage(
        "limits-fail-closed",
        "R4",
        "The rate limit refuses requests while it cannot count them",
        (LIMITS_CLOSED,),
        R4,
        "AssertionError: 429",
        "ingestion answered 429 as soon as Redis was killed",
    ),
    Breakage(
        "limits-fail-closed-while-away",
        "R5",
        "The rate limit refuses requests while it cannot count them",
        (LIMITS_CLOSED,),
        R5,
        "AssertionError: 429",
        "ingestion answered 429 while Redis was away",
    ),
    Breakage(
        "no-local-tickets",
        "R5",
        "Tickets that Redis cannot carry are not handed to the dispatcher's own process",
        (NO_LOCAL_TICKETS,),
        R5,
        "jobs run without Redis",
        "requests were accepted, but no job ran until Redis was back",
    ),
    Breakage(
        "run-at-ignored",
        "R6",
        "The dispatcher takes jobs before their time",
        (
            Edit(
                SQL,
                "AND priority = level.priority AND run_at <= now()",
                "AND priority = level.priority",
            ),
        ),
        R6,
        "assert 0 <=",
        "delayed jobs ran at once",
    ),
    Breakage(
        "no-polling",
        "R6",
        "Dispatchers look for due jobs when Redis wakes them and at no other time",
        (
            Edit(
                DISPATCHER,
                """            self._due |= self._options.queues.keys()
            self._polled_at""",
                """            self._polled_at""",
            ),
        ),
        R6,
        "all ran",
        "delayed jobs came due and nobody looked: they never ran",
    ),
    Breakage(
        "answers-before-commit",
        "R8",
        "A submission is answered at once and committed a moment later",
        (
            Edit(
                INGEST,
                "        return await self._batch.submit(prepared)\n",
                """        import asyncio

        task = asyncio.ensure_future(self._batch.submit(prepared))
        task.add_done_callback(lambda task: task.exception())
        return Answer(ACCEPTED, prepared.response.encode(), prepared.id, replayed=False)
""",
            ),
        ),
        R8,
        "in whole",
        "jobs that had been acknowledged were gone after the crash",
    ),
    Breakage(
        "commits-unflushed",
        "R8",
        "Commits return before they are on disk (`synchronous_commit = off`)",
        (
            Edit(
                "packages/singr-db/src/singr_db/sessions/_database.py",
                '_SETTINGS = {"statement_timeout": "30s",',
                '_SETTINGS = {"synchronous_commit": "off", "statement_timeout": "30s",',
            ),
        ),
        R8,
        "in whole",
        "the last acknowledged jobs before a crash were gone",
    ),
    Breakage(
        "stop-does-not-wait",
        "R12",
        "A stop interrupts the jobs in hand at once",
        (Edit(RUNNER, "await asyncio.wait(tasks, timeout=grace)", "await asyncio.wait(tasks, timeout=0.01)"),),
        R12,
        "== 50",
        "jobs that were half done ran a second time",
    ),
    Breakage(
        "nothing-handed-back",
        "R12",
        "A stop leaves interrupted and unstarted jobs as they are",
        (
            Edit(
                RUNNER,
                "            await self._hand_back(_sql.HAND_BACK, [(job.id, job.token) for job in unstarted])\n",
                "",
            ),
        ),
        R12,
        "'processing'",
        "the job cut off stayed `processing`, until its lease ran out",
    ),
    Breakage(
        "stop-counts-as-attempt",
        "R12",
        "An attempt cut off by a stop counts",
        (Edit(SQL, "SET status = 'pending', attempt = attempt - 1, run_at", "SET status = 'pending', run_at"),),
        R12,
        "('pending', 1)",
        "a deployment used up one of the job's attempts",
    ),
    Breakage(
        "poison-never-fails",
        "R13",
        "A lost attempt is never the last one",
        (Edit(ENDING, "WHEN attempt >= max_attempts THEN 'failed'", "WHEN false THEN 'failed'"),),
        R13,
        "not within 90 s: all ended",
        "the job killed one process after another, for ever",
    ),
    Breakage(
        "poison-not-alone",
        "R13",
        "Jobs lost twice are run beside each other again",
        (Edit(ENDING, "       solo = solo OR attempt >= 2,\n", ""),),
        R13,
        "assert 3 <= 2",
        "its third try took the neighbours' third attempt with it",
    ),
    Breakage(
        "claims-unguarded",
        "R14",
        "Claims neither lock the rows they take nor look at state and token",
        (
            Edit(
                SQL,
                "         LIMIT LEAST(%(room)s, GREATEST(1, 4096 / (SELECT count(*) FROM org)))\n"
                "           FOR UPDATE SKIP LOCKED\n",
                "         LIMIT LEAST(%(room)s, GREATEST(1, 4096 / (SELECT count(*) FROM org)))\n",
            ),
            Edit(
                SQL,
                "     WHERE id = ANY (ARRAY(SELECT id FROM chosen)) AND status = 'pending'\n",
                "     WHERE id = ANY (ARRAY(SELECT id FROM chosen))\n",
            ),
            Edit(
                SQL,
                " WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'dispatched'\n"
                "   AND type",
                " WHERE id = ANY (%(ids)s::uuid[])\n   AND type",
            ),
        ),
        R14,
        "== 600",
        "dispatchers handed the same jobs out several times, and they ran several times",
    ),
)
