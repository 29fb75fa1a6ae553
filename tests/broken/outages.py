"""Breakages of the rows about outages that reach a handler, and of handlers that fail or are not here."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
DB = "packages/singr-db/src/singr_db"
R21 = (
    "tests/faults/test_faults_failover.py"
    "::test_a_database_that_turns_read_only_costs_nobody_anything[by_reload-4.0-5.0-1]"
)
R21_OUTAGE = (
    "packages/singr-jobs/tests/test_jobs_outages.py::test_an_outage_that_a_handler_meets_counts_no_attempt[disk full]"
)
R22 = "packages/singr-jobs/tests/test_jobs_failing.py::test_a_job_ends_in_whatever_way_its_handler_fails"

LEASES = "packages/singr-jobs/tests/test_jobs_leases.py"
NAMES = "packages/singr-jobs/tests/test_jobs_names.py"
INGESTION = "packages/singr-jobs/tests/test_jobs_ingestion.py"
SWEEPING = "packages/singr-jobs/tests/test_jobs_sweeping.py"
STORES = "tests/faults/test_faults_stores.py"
STANDBY = (
    "packages/singr-jobs/tests/test_jobs_standby.py"
    "::test_where_commits_wait_for_a_dead_standby_that_is_told_leases_are_renewed_and_none_is_taken"
)
R32 = "packages/singr-jobs/tests/test_jobs_clearing.py"
R23_WAITS = f"{NAMES}::test_a_job_of_an_unknown_type_waits_untouched_for_a_worker_that_knows_it"
R23_TICKET = f"{NAMES}::test_a_ticket_at_a_process_that_does_not_know_its_job_costs_no_attempt"

BREAKAGES = (
    Breakage(
        "sent-again-in-doubt",
        "R2",
        "What may have been sent is sent again, whatever it is and whoever sends it",
        (
            Edit(
                "packages/singr-comms/src/singr_comms/notifications/sending/_policy.py",
                "return Step.SEND if drops_copies else _WHEN_UNKNOWN[message_types.when_unknown(kind)]",
                "return Step.SEND",
            ),
        ),
        "packages/singr-comms/tests/test_comms_ledger.py"
        "::test_any_other_message_whose_sender_died_is_flagged_and_never_sent_twice[after]",
        "DID NOT RAISE",
        "whoever had it already got it a second time",
    ),
    Breakage(
        "retries-of-their-own-job",
        "R9",
        "A submission is answered at once and committed a moment later",
        (
            Edit(
                f"{JOBS}/intake/_ingest.py",
                "        return await self._batch.submit(prepared)\n",
                """        import asyncio

        task = asyncio.ensure_future(self._batch.submit(prepared))
        task.add_done_callback(lambda task: task.exception())
        return first_answer(prepared.row, datetime.now(UTC))
""",
            ),
        ),
        f"{INGESTION}::test_commit_cut_off_and_retried_with_the_same_key_makes_one_job",
        "DID NOT RAISE",
        "callers were told that their job was stored, and the commit was cut off",
    ),
    Breakage(
        "callers-take-their-connection-along",
        "R16",
        "A caller's request is stored within its own task, and a connection goes back unless something is raised",
        (
            Edit(
                f"{DB}/batch.py",
                """            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
""",
                "            await self._drain()\n",
            ),
            Edit(
                f"{DB}/sessions/_pool.py",
                """            async with super().connection(timeout) as connection:
                try:
                    yield connection
                except ReadOnlySqlTransaction:
                    await connection.close()
                    raise
""",
                """            connection = await self.getconn(timeout)
            yield connection
            await self.putconn(connection)
""",
            ),
        ),
        f"{INGESTION}::test_callers_that_go_away_leave_no_connection_behind",
        "PoolTimeout",
        "the pool was empty once a few callers had gone",
    ),
    Breakage(
        "tickets-accepted-again",
        "R14",
        "A ticket is accepted in whatever state it is",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "WHERE token = ANY (%(tokens)s::bigint[]) AND state = 'travelling' AND queue",
                "WHERE token = ANY (%(tokens)s::bigint[]) AND queue",
            ),
        ),
        "packages/singr-jobs/tests/test_jobs_handing.py"
        "::test_a_ticket_that_arrives_after_another_has_accepted_it_begins_nothing",
        "== ['last']",
        "whoever heard of the ticket late ran its jobs a second time",
    ),
    Breakage(
        "unknown-types-taken",
        "R23",
        "Dispatch takes jobs of any type",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "           AND type = ANY (%(types)s)\n         ORDER BY run_at\n         LIMIT LEAST",
                "         ORDER BY run_at\n         LIMIT LEAST",
            ),
        ),
        R23_WAITS,
        "== [('pending', 0, None, None)]",
        "the worker took the job that it could not run again and again",
    ),
    Breakage(
        "unknown-types-begun",
        "R23",
        "Whoever has a ticket begins an attempt at each of its jobs",
        (
            Edit(
                f"{JOBS}/running/_crossing.py",
                "known = _of_types(accepted, claimant.types)",
                "known = list(accepted)",
            ),
        ),
        R23_TICKET,
        "== [('pending', 0, None, None)]",
        "the old release failed the new one's job, `not_runnable`, at the price of an attempt",
    ),
    Breakage(
        "dead-rows-stay",
        "R32",
        "Tables are left to vacuum, whatever keeps it from them",
        (Edit(f"{JOBS}/maintenance/_clearer.py", "        if not held:\n", "        if held or not held:\n"),),
        f"{R32}::test_a_take_looks_at_few_pages_though_a_long_transaction_keeps_what_was_taken",
        "job_ready, job_later, job_tickets have a fresh file",
        "each take stepped over all that were taken since the transaction began",
    ),
    Breakage(
        "the-living-go-too",
        "R32",
        "A table is truncated and nothing put back",
        (
            Edit(
                f"{JOBS}/maintenance/_clearer.py",
                "            INSERT INTO {table} SELECT * FROM unnest(living);\n",
                "",
            ),
        ),
        f"{R32}::test_what_lives_stays_where_it_is",
        "assert ['', '', ''] == ['ready', 'working', 'later']",
        "jobs that waited lay nowhere",
    ),
    Breakage(
        "read-only-is-a-fault",
        "R21",
        "A database that is read-only counts as a fault of ours, not as an outage",
        (Edit(f"{DB}/sessions/_outages.py", '        "25006",  # read-only: a failover is under way\n', ""),),
        R21,
        "assert (500, None) == (503, '1')",
        "ingestion answered 500, and outcomes were given up one by one",
    ),
    Breakage(
        "ready-without-writes",
        "R21",
        "Readiness asks whether PostgreSQL answers, not whether it takes writes",
        (
            Edit(
                f"{DB}/sessions/_database.py",
                'writable = row is not None and row[0] == "off"',
                "writable = row is not None",
            ),
        ),
        R21,
        "says that it is not ready",
        "both stayed ready while nothing could be stored",
    ),
    Breakage(
        "outages-count-as-attempts",
        "R21",
        "What a handler raises counts as an attempt, also where the database had no room",
        (Edit(f"{JOBS}/running/attempts/_failures.py", "outage = outage_behind(error)\n", "outage = None\n"),),
        R21_OUTAGE,
        "is completed",
        "the attempts were spent within seconds, and the job had failed",
    ),
    Breakage(
        "errors-as-they-come",
        "R22",
        "What a handler raised is stored as it is",
        (
            Edit(
                f"{JOBS}/_plain.py",
                """        return str.encode(text, "utf-8", "replace").decode().replace("\\x00", "")
    except BaseException:  # noqa: BLE001 - this is""",
                """        return text
    except BaseException:  # noqa: BLE001 - this is""",
            ),
        ),
        f"{R22}[lone surrogate]",
        "'not_runnable' == 'RuntimeError'",
        "the job stayed `processing`, its lease renewed for ever",
    ),
    Breakage(
        "sweep-after-a-wait",
        "R20",
        "A sweep that had to wait for a lock takes whatever is over by then",
        (
            Edit(
                f"{JOBS}/maintenance/_sweeper.py",
                "        await self._look_whether_it_writes()\n        if self._waited(began):\n",
                "        await self._look_whether_it_writes()\n        if False:\n",
            ),
        ),
        f"{SWEEPING}::test_a_sweep_that_had_to_wait_takes_nothing",
        "assert 1 == 0",
        "the job ran twice, at the price of an attempt",
    ),
    Breakage(
        "sweep-without-a-word",
        "R20",
        "A sweep does not look whether commits end",
        (Edit(f"{JOBS}/maintenance/_sweeper.py", "            await connection.execute(LEAVE_A_WORD)\n", ""),),
        STANDBY,
        "assert 'ready' == 'working'",
        "it took what was over, and its commit waited for the dead standby with everybody else's",
    ),
    Breakage(
        "renewals-wait-for-the-standby",
        "R20",
        "A renewal is committed as everything else is",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "WITH unflushed AS MATERIALIZED (\n    SELECT set_config('synchronous_commit', 'off', true)",
                "WITH unflushed AS MATERIALIZED (\n    SELECT set_config('synchronous_commit', 'on', true)",
            ),
        ),
        STANDBY,
        "TimeoutError",
        "leases ran out while their renewals waited for the dead standby",
    ),
    Breakage(
        "jobs-stored-as-they-are-taken",
        "R20",
        "Nothing waits until it is on disk, as taking does not",
        (
            Edit(
                f"{DB}/sessions/_database.py",
                '    "statement_timeout": "30s",',
                '    "synchronous_commit": "off", "statement_timeout": "30s",',
            ),
        ),
        f"{STORES}::test_a_crash_that_undoes_a_take_lets_its_jobs_wait_again_and_counts_nothing[1]",
        "what was stored is there",
        "the jobs were gone with the take",
    ),
    Breakage(
        "takes-wait-for-the-disk",
        "R20",
        "What is taken is on disk at once",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '100ms', true)",
                "set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '100ms', true)",
            ),
        ),
        f"{STORES}::test_a_crash_that_undoes_a_take_lets_its_jobs_wait_again_and_counts_nothing[1]",
        "this has shown nothing",
        "nothing was lost, at the price of a wait for the disk with each take; the test says that it met none undone",
    ),
    Breakage(
        "audit-finds-nothing",
        "R20",
        "The audit asks for no job that lies nowhere",
        (Edit(f"{JOBS}/maintenance/_auditor.py", "_AT_ONCE = 1000", "_AT_ONCE = 0"),),
        f"{SWEEPING}::test_a_job_that_lies_nowhere_is_found_counted_and_given_a_place",
        "assert 0 == 1",
        "the job would have waited for ever, and nobody been told",
    ),
    Breakage(
        "two-places-audited-by-half",
        "R20",
        "The audit leaves a second place to what is due or in hand",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "WHERE id IN (SELECT id FROM held) OR id IN (SELECT id FROM job_ready) RETURNING queue",
                "WHERE id IN (SELECT id FROM held) RETURNING queue",
            ),
        ),
        "packages/singr-jobs/tests/test_jobs_disturbed.py::test_the_audit_leaves_a_job_in_one_place",
        "assert 1 == 2",
        "a job that was due and delayed would have run twice",
    ),
    Breakage(
        "leases-renewed-in-the-loop",
        "R22",
        "Leases are renewed only while the event loop answers",
        (
            Edit(
                f"{JOBS}/running/_leases.py",
                "        return now > max(deadlines, default=asked_at) + self._lease\n",
                "        return bool(deadlines)\n",
            ),
        ),
        f"{LEASES}::test_a_handler_that_blocks_the_loop_for_two_leases_loses_no_job",
        "is completed",
        "the job and its neighbours were taken as lost",
    ),
    Breakage(
        "stubborn-handlers-keep-their-place",
        "R22",
        "A handler has as long as it likes for its cancellation",
        (Edit(f"{JOBS}/running/_runner.py", "_STUBBORN and not (job.given_up or", "_STUBBORN and (job.given_up and"),),
        f"{LEASES}::test_a_handler_that_swallows_its_cancellation_is_given_up_and_its_place_is_free",
        "is failed",
        "the job never ended, and held its place",
    ),
    Breakage(
        "stubborn-handlers-given-up-again",
        "R22",
        "A handler that was given up is given up at each look until its outcome is stored",
        (Edit(f"{JOBS}/running/_runner.py", "not (job.given_up or job.task.done()):", "not job.task.done():"),),
        f"{LEASES}::test_a_handler_is_given_up_once_however_long_its_outcome_takes_to_be_stored",
        "line.given_up == 1",
        "it was counted, and its outcome stored, again and again",
    ),
    Breakage(
        "stubborn-handlers-without-end",
        "R22",
        "Handlers that were given up and go on may be as many as come",
        (
            Edit(
                f"{JOBS}/running/_line.py",
                "min(self.concurrency, 2 * self.concurrency - self.given_up)",
                "self.concurrency",
            ),
        ),
        f"{LEASES}::test_handlers_that_were_given_up_are_twice_as_many_as_there_are_places_at_the_most",
        "assert [] == ['default']",
        "handlers that swallow their cancellation filled the memory",
    ),
    Breakage(
        "every-refusal-is-an-outage",
        "R22",
        "Whatever PostgreSQL refuses is tried again until it takes it",
        (
            Edit(
                f"{JOBS}/running/_outcomes.py",
                "                if not is_outage(error) or isinstance(error, LockNotAvailable):\n"
                "                    return error\n",
                "",
            ),
        ),
        f"{R22}[nul in a result]",
        "is failed",
        "one result that cannot be stored kept every outcome of its process waiting",
    ),
    Breakage(
        "results-of-any-size",
        "R22",
        "Results may be as large as they like",
        (
            Edit(
                f"{JOBS}/running/_endings.py",
                "if (size := stored_size(encoded, limit=limit)) > limit:",
                "if (size := stored_size(encoded, limit=limit)) > 2**40:",
            ),
        ),
        f"{R22}[huge result]",
        "result_not_storable",
        "the result was taken for kept, and was not",
    ),
)
