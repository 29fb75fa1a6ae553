"""Breakages of the reliability rows."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
DB = "packages/singr-db/src/singr_db"
SQL = f"{JOBS}/taking/_sql.py"
LATER = f"{JOBS}/taking/_later.py"
HANDING = f"{JOBS}/taking/_handing.py"
ENDING = f"{DB}/ending/_statements.py"
INGEST = f"{JOBS}/intake/_ingest.py"
RUNNER = f"{JOBS}/running/_runner.py"
DISPATCHER = f"{JOBS}/taking/_dispatcher.py"
SWEEPER = f"{JOBS}/maintenance/_sweeper.py"
LIMITS = "apps/api/src/singr_api/admission/limits.py"

WORKER_TESTS = "tests/faults/test_faults_worker.py"
STORE_TESTS = "tests/faults/test_faults_stores.py"
LOSING_TESTS = "packages/singr-jobs/tests/test_jobs_losing.py"
DISTURBED_TESTS = "packages/singr-jobs/tests/test_jobs_disturbed.py"
HANDING_TESTS = "packages/singr-jobs/tests/test_jobs_handing.py"

R1 = f"{WORKER_TESTS}::test_job_of_a_killed_worker_runs_again_within_30_s[1-2-4.0]"
R3 = f"{STORE_TESTS}::test_flushed_redis_loses_no_job[300-0.3]"
R4 = f"{STORE_TESTS}::test_redis_killed_during_ingestion_loses_nothing[120]"
R5 = f"{STORE_TESTS}::test_redis_away_keeps_neither_ingestion_nor_work_waiting[2.0]"
RABBIT_REFUSES = (
    "packages/singr-jobs/tests/test_jobs_rabbitmq.py"
    "::test_a_queue_that_somebody_else_made_is_refused_and_holds_up_no_other"
)
R6 = f"{STORE_TESTS}::test_delayed_jobs_survive_a_redis_restart_and_run_in_time[200-6.0]"
R8 = f"{STORE_TESTS}::test_postgres_crashes_during_ingestion_leave_every_acknowledged_row_and_no_half_one[3-300]"
R12 = f"{WORKER_TESTS}::test_stop_with_50_jobs_in_hand_loses_none_and_runs_none_twice[1.0]"
R13 = f"{WORKER_TESTS}::test_job_that_kills_its_process_is_quarantined_and_its_neighbours_complete[10]"
R14 = f"{WORKER_TESTS}::test_several_dispatchers_and_sweepers_claim_no_job_twice[600-3]"

LIMITS_CLOSED = Edit(
    LIMITS,
    """            self._tell(type(error).__name__)
            return headers""",
    """            raise Problem(RATE_LIMITED, "Wait.", headers={"retry-after": "1"}) from error""",
)

RETENTION = "tests/faults/test_faults_retention.py"
RULES = "packages/singr-db/src/singr_db/retention/_rules.py"
DROPPING = "packages/singr-db/src/singr_db/retention/_dropping.py"
R30 = f"{RETENTION}::test_over_week_53_the_turn_of_the_year_and_leap_day_nothing_wanted_goes_and_nothing_comes_back[8]"

SCHEDULES = "tests/faults/test_faults_schedules.py"
R27 = f"{SCHEDULES}::test_over_both_changes_of_clocks_each_time_becomes_one_job_whatever_dies[1.5]"

FLOWS = "tests/faults/test_faults_flows.py"
R28 = f"{FLOWS}::test_members_that_end_at_once_in_every_way_leave_no_flow_waiting[6]"
FLOW_RETENTION = f"{FLOWS}::test_members_of_a_flow_that_has_not_ended_outlive_their_week"
FLOWS_SQL = f"{DB}/_migrations/versions/0028_flows.py"

KEYS = "tests/faults/test_faults_keys.py"
R29 = f"{KEYS}::test_no_key_runs_above_its_limit_and_none_waits_for_another[5000-1-2]"

BREAKAGES = (
    Breakage(
        "slots-uncounted",
        "R29",
        "Whoever looks at a key does not count what it lets through already",
        (
            Edit(
                f"{JOBS}/keys/_sql.py",
                """              - (SELECT count(*) FROM job_slots AS s WHERE {same_key("s", key)})) END\"\"\"""",
                """              ) END\"\"\"""",
            ),
        ),
        R29,
        "assert 3 == 2",
        "each look let two more of the key through, whatever ran",
    ),
    Breakage(
        "slots-kept",
        "R29",
        "The end of a job does not free its key",
        (Edit(f"{DB}/ending/_follow_ups.py", "slot.job_id = changed.id AND {when}", "false AND {when}"),),
        R29,
        "it goes on",
        "its key stayed shut until the sweep, each time",
    ),
    Breakage(
        "ends-uncounted",
        "R28",
        "A member that fails is counted by nobody",
        (
            Edit(
                f"{DB}/ending/_flows.py",
                "WHERE flow_id IS NOT NULL AND {HAS_ENDED} HAVING",
                "WHERE status = 'completed' AND flow_id IS NOT NULL HAVING",
            ),
        ),
        R28,
        "a flow waits for ever",
        "flows whose members had failed, been lost or cancelled stood for ever",
    ),
    Breakage(
        "failed-lower-nobody",
        "R28",
        "Where a flow goes on regardless, only members that complete let others go",
        (Edit(FLOWS_SQL, "WHERE e.status = 'completed' OR f.on_failure = 'continue'", "WHERE e.status = 'completed'"),),
        R28,
        "a flow waits for ever",
        "whoever waited for a member that had failed, been lost or cancelled waited for ever",
    ),
    Breakage(
        "flows-unwanted",
        "R30",
        "Members of a flow that has not ended go with their week",
        (Edit(f"{DB}/retention/_survivors.py", "    last |= {job_id for (job_id,) in in_flows}\n", ""),),
        FLOW_RETENTION,
        "== 9",
        "what a flow's members had come to was gone before its report asked for it",
    ),
    Breakage(
        "letters-without-logs",
        "R30",
        "A week goes with the logs of jobs whose dead letters nobody has settled",
        (Edit(DROPPING, "        await keep_logs_of_week(connection, span)\n", ""),),
        f"{RETENTION}::test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on",
        "assert [(None,)] == [('read',)]",
        "who looked into a letter ten days old found no log",
    ),
    Breakage(
        "times-met-again",
        "R27",
        "A time that is written down becomes a job again",
        (
            Edit(
                f"{JOBS}/schedules/_sql.py",
                "    SELECT input.* FROM input JOIN met USING (schedule_id, fire_at)\n",
                "    SELECT input.* FROM input LEFT JOIN met USING (schedule_id, fire_at)\n",
            ),
        ),
        R27,
        "a time became two jobs",
        "once a clock had gone back, each time since then made its job a second time",
    ),
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
                "WHERE leased_until < LEAST(now(), to_timestamp(%(looked)s))\n",
                "WHERE leased_until < now() - interval '1 hour' AND %(looked)s > 0\n",
            ),
        ),
        R1,
        "not within 30 s: all of marks",
        "none was lost, but none ran again in time",
    ),
    Breakage(
        "lost-tickets-count",
        "R3",
        "Jobs whose ticket got lost on its way count as lost with a worker",
        (Edit(ENDING, "state, state = 'working' AS begun,", "state, state <> 'ahead' AS begun,"),),
        f"{HANDING_TESTS}::test_a_ticket_that_gets_lost_on_its_way_costs_no_attempt",
        "assert (2, ",
        "a flushed Redis used up an attempt of every job that was on its way",
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
        "one-refused-queue-stops-rabbitmq",
        "R5",
        "Whatever RabbitMQ refuses counts as RabbitMQ being away",
        (Edit(f"{JOBS}/rabbit/_post.py", "is not None and channel.connection.is_open:", "is None:"),),
        RABBIT_REFUSES,
        "RabbitAwayError: RabbitMQ has queues or exchanges of our names that others made",
        "a queue that somebody else had made kept tickets of all queues, and words, from travelling",
    ),
    Breakage(
        "unbegun-jobs-pay",
        "R1",
        "Jobs that a killed worker had taken ahead count as begun",
        (Edit(ENDING, "state, state = 'working' AS begun,", "state, state <> 'travelling' AS begun,"),),
        f"{LOSING_TESTS}::test_a_job_that_may_not_have_begun_pays_no_attempt[1]",
        "is completed",
        "jobs with one attempt had failed for good, and never run",
    ),
    Breakage(
        "renewals-wait-for-locks",
        "R20",
        "A renewal waits for tickets that are locked, and a process sweeps though its own renewals fail",
        (
            Edit(
                SQL,
                "WHERE token = ANY (%(tokens)s::bigint[]) FOR UPDATE SKIP LOCKED))",
                "WHERE token = ANY (%(tokens)s::bigint[]) FOR UPDATE))",
            ),
            Edit(ENDING, "set_config('lock_timeout', '300ms', true)", "set_config('lock_timeout', '0', true)"),
            Edit(SWEEPER, "            if self._leases_fail():\n", "            if False:\n"),
        ),
        f"{DISTURBED_TESTS}::test_a_locked_row_costs_no_other_job_of_its_worker_an_attempt",
        "attempt",
        "one locked row took every other job away from its living worker",
    ),
    Breakage(
        "takes-wait-for-locks",
        "R14",
        "A take waits for what somebody else has locked",
        (Edit(SQL, "set_config('lock_timeout', '100ms', true)", "set_config('lock_timeout', '0', true)"),),
        f"{DISTURBED_TESTS}::test_a_transaction_that_took_a_place_away_stops_no_queue",
        "another organization's job ran",
        "one open transaction stopped the queue for everybody",
    ),
    Breakage(
        "nothing-back-without-redis",
        "R5",
        "Jobs that Redis cannot carry to others are left on their tickets",
        (Edit(HANDING, "            await self.give_back((), [ticket.token for ticket in tickets])\n", ""),),
        f"{HANDING_TESTS}::test_what_waits_behind_a_slow_job_runs_elsewhere[without redis]",
        "it ran elsewhere",
        "what waited behind a slow job waited for a lease more",
    ),
    Breakage(
        "run-at-ignored",
        "R6",
        "Delayed jobs become due before their time",
        (
            Edit(
                LATER,
                "SELECT ctid FROM job_later WHERE run_at <= now() ORDER BY",
                "SELECT ctid FROM job_later ORDER BY",
            ),
        ),
        R6,
        "assert 0 <=",
        "delayed jobs ran at once",
    ),
    Breakage(
        "no-polling",
        "R6",
        "Nobody looks whether delayed jobs have become due",
        (Edit(DISPATCHER, "            await self._let_become_due()\n", "            pass\n"),),
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
        return first_answer(prepared.row, datetime.now(UTC))
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
                '    "statement_timeout": "30s",',
                '    "synchronous_commit": "off", "statement_timeout": "30s",',
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
        (Edit(RUNNER, "self._cut, within=grace)", "self._cut, within=0.01)"),),
        R12,
        "== 50",
        "jobs that were half done ran a second time",
    ),
    Breakage(
        "nothing-handed-back",
        "R12",
        "A stop leaves interrupted and unstarted jobs as they are",
        (Edit(RUNNER, "        await self._hand_back(jobs)\n", ""),),
        R12,
        "assert 1 == 0",
        "the job cut off stayed on its ticket, until its lease ran out",
    ),
    Breakage(
        "stop-counts-as-attempt",
        "R12",
        "An attempt cut off by a stop counts",
        (
            Edit(
                RUNNER,
                "            self._interrupted.append(job)\n",
                '            return failed(job, None, "stopped", "the worker stopped")\n',
            ),
        ),
        R12,
        "('pending', 1)",
        "a deployment used up one of the job's attempts",
    ),
    Breakage(
        "poison-never-fails",
        "R13",
        "A lost attempt is never the last one",
        (Edit(ENDING, "WHEN NOT begun OR attempt + 1 < max_attempts THEN", "WHEN true THEN"),),
        R13,
        "not within 90 s: all ended",
        "the job killed one process after another, for ever",
    ),
    Breakage(
        "poison-not-alone",
        "R13",
        "Jobs lost twice are run beside each other again",
        (Edit(ENDING, "solo = solo OR (begun AND attempt + 1 >= 2), ", ""),),
        R13,
        "assert 3 <= 2",
        "its third try took the neighbours' third attempt with it",
    ),
    Breakage(
        "claims-unguarded",
        "R14",
        "Whoever takes a job leaves it where it was",
        (
            Edit(
                SQL,
                "DELETE FROM job_ready WHERE ctid = ANY (ARRAY(SELECT at FROM chosen)) RETURNING ctid AS at, queue, id",
                "SELECT ctid AS at, queue, id FROM job_ready WHERE ctid = ANY (ARRAY(SELECT at FROM chosen))",
            ),
        ),
        R14,
        "all completed",
        "dispatchers handed the same jobs out several times, and they ran several times",
    ),
    Breakage(
        "ended-is-over",
        "R30",
        "A job that has ended is not wanted, whenever it ended",
        (Edit(RULES, "finished_at > %(now)s::timestamptz - make", "finished_at > %(now)s::timestamptz + make"),),
        R30,
        "assert wanted <= there",
        "jobs that had failed since yesterday went with the week in which they were made",
    ),
    Breakage(
        "gone-weeks-forgotten",
        "R30",
        "Weeks that went are made again",
        (Edit("packages/singr-db/src/singr_db/_partitions.py", "if week not in dropped]", "if dropped or True]"),),
        f"{RETENTION}::test_week_that_went_is_not_made_again_for_what_was_kept_of_it",
        "jobs_w20261102",
        "what was kept of a week moved back into one of its own, for ever",
    ),
    Breakage(
        "survivors-placed-twice",
        "R30",
        "A job that somebody has in hand is given a place when its week goes",
        (Edit(DROPPING, "SET placed = true", "SET placed = false"),),
        f"{RETENTION}::test_job_in_hand_outlives_its_week_and_is_given_no_second_place",
        "it would run twice",
        "it would have run twice",
    ),
)
