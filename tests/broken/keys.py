"""Breakages of the rows about keys: idempotency keys, unique keys, and whose they are."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
DB = "packages/singr-db/src/singr_db"
INGEST = f"{JOBS}/intake/_ingest.py"
INGEST_SQL = f"{JOBS}/intake/_ingest_sql.py"
ANSWERS = f"{JOBS}/intake/_answers.py"
TURNS = f"{JOBS}/intake/_turns.py"

API_JOB_TESTS = "apps/api/tests/test_api_jobs.py"
KEY_TESTS = "packages/singr-jobs/tests/test_jobs_keys.py"
HOSTILE_TESTS = "packages/singr-jobs/tests/test_jobs_hostile_role.py"
OWN_ID_TESTS = "packages/singr-jobs/tests/test_jobs_own_ids.py"
MARK_TESTS = "packages/singr-jobs/tests/test_jobs_marks.py"

R10 = f"{API_JOB_TESTS}::test_one_key_a_hundred_times_at_once_makes_one_job_and_identical_answers[lane]"
AGAIN = "test_first_answer_is_given_again_to_the_byte_whatever_became_of_the_job"

BREAKAGES = (
    Breakage(
        "keys-taken-over",
        "R10",
        "A known idempotency key is taken over instead of answered",
        (
            Edit(INGEST, "(seen if mark in lately or nonce in lately else new)", "new"),
            Edit(
                INGEST_SQL,
                "END, kept\n      FROM input\n",
                "END, kept\n      FROM input ON CONFLICT (mark) DO UPDATE SET job_id = excluded.job_id\n",
            ),
            Edit(INGEST, "new.sort(key=_by_mark)", "new, seen = new[:1], new[1:]"),
            Edit(
                INGEST,
                "        outcomes, rest = await self._known(connection, seen)\n",
                "        outcomes, rest = {}, seen\n",
            ),
        ),
        R10,
        "assert 100 == 1",
        "100 requests with one key made 100 jobs, each with an answer of its own",
    ),
    Breakage(
        "body-not-compared",
        "R10",
        "A key used again for another body gets the first answer",
        (Edit(ANSWERS, "    if record.print.hex != print_:\n", "    if record.print is None:\n"),),
        f"{API_JOB_TESTS}::test_key_reused_for_another_request_is_422_and_named[lane-body]",
        '"type":"sms.send"',
        "another request under the same key was answered 202 with the first one's job",
    ),
    Breakage(
        "keys-outlive-jobs",
        "R10",
        "The table of unique keys does not look whether a key's job is there",
        (
            Edit(
                f"{DB}/_migrations/versions/0038_debounced_jobs.py",
                "        IF holder IS NOT NULL THEN\n",
                "        IF false THEN\n",
            ),
        ),
        f"{KEY_TESTS}::test_key_is_free_however_its_job_went[its partition dropped]",
        "assert UUID(",
        "after a week's partition was dropped, `enqueue` answered with a job that was not there, and made none",
    ),
    Breakage(
        "running-answered",
        "R10",
        "A request whose first try is still running is answered as if that were done",
        (Edit(ANSWERS, "        if record.status_code is None:\n", "        if record.status_code == 0:\n"),),
        f"{API_JOB_TESTS}::test_request_still_running_is_409[lane]",
        "idempotency-in-progress",
        "it answered 500 out of an empty record instead of 409",
    ),
    Breakage(
        "answers-of-today",
        "R10",
        "A replay is built from the time at which the job is due now",
        (Edit(INGEST_SQL, "coalesce(record.run_at, record.created_at) AS run_at", "job.run_at"),),
        f"{MARK_TESTS}::{AGAIN}[tried again later-narrow]",
        "assert b'{",
        "after a retry the same key was answered with another time than at first",
    ),
    Breakage(
        "answers-by-the-column",
        "R10",
        "A replay has the payload as the column spells it, whatever its type",
        (Edit(ANSWERS, "    if record.kept is not None:\n", "    if record.kept == 0:\n"),),
        f"{MARK_TESTS}::{AGAIN}[completed-wide]",
        "assert b'{",
        "names came back in another order, and 1e22 as an integer",
    ),
    Breakage(
        "gone-jobs-awaited",
        "R10",
        "A key whose job is gone with its partition is answered as if its request were still running",
        (
            Edit(
                ANSWERS,
                "return JobGoneError(record.job_id, record.created_at)",
                'return IdempotencyInProgressError("gone")',
            ),
        ),
        f"{MARK_TESTS}::test_answer_of_a_job_that_is_gone_with_its_partition_is_refused_and_nothing_is_made_anew",
        "IdempotencyInProgressError",
        "the caller was told to ask again, for two days",
    ),
    Breakage(
        "neighbours-undone",
        "R10",
        "Where one request of a batch was seen before, all of it is",
        (
            Edit(
                INGEST,
                "                rest.append(one)\n",
                "                outcomes[id(one)] = NonceReplayedError()\n",
            ),
        ),
        f"{MARK_TESTS}::test_neighbours_of_one_that_was_seen_before_are_stored_and_it_is_answered_again",
        "NonceReplayedError",
        "seven good requests were refused for the one beside them",
    ),
    Breakage(
        "release-before-unheard",
        "R10",
        "Keys that the release before uses beside this one are not marked",
        (
            Edit(
                f"{DB}/_migrations/versions/0014_marks.py",
                "        INSERT INTO request_keys AS kept\n",
                "        RETURN NEW;\n        INSERT INTO request_keys AS kept\n",
            ),
        ),
        f"{MARK_TESTS}::TestBesideTheReleaseBefore::test_it_does_nothing_under_a_key_of_ours",
        "assert [('k1',)] == []",
        "a request that was done was done once more by the other release",
    ),
    Breakage(
        "open-transactions-awaited",
        "R10",
        "Whoever asks for unique keys waits for an open transaction that holds them, on any connection of the pool",
        (
            Edit(TURNS, "max(1, pool.max_size // 2)", "pool.max_size"),
            Edit(TURNS, "_PATIENCE_S: Final = 1\n", "_PATIENCE_S: Final = 8\n"),
        ),
        f"{HOSTILE_TESTS}::test_keys_in_an_open_transaction_leave_the_lane_its_connections[many]",
        "PoolTimeout",
        "one open transaction kept every caller of POST /v1/jobs from its connection",
    ),
    Breakage(
        "foreign-organization-read",
        "R11",
        "A credential may name any organization",
        (
            Edit(
                "apps/api/src/singr_api/admission/call.py",
                "    if named != principal.organization_id:\n",
                "    if named is None:\n",
            ),
        ),
        f"{API_JOB_TESTS}::test_another_organization_sees_nothing_of_ours",
        "organization-forbidden",
        "another organization listed our jobs by naming us",
    ),
    Breakage(
        "no-fence",
        "R11",
        "Tenant sessions keep the platform's role, so that row-level security does not hold them",
        (
            Edit(
                "packages/singr-db/src/singr_db/sessions/_database.py",
                ", set_config('role', :role, true)\")",
                ', :role")',
            ),
        ),
        "packages/singr-db/tests/test_db_fence.py::test_tenant_reaches_its_own_rows_only[jobs]",
        "assert {UUID(",
        "a query without a filter returned another organization's jobs",
    ),
    Breakage(
        "claims-believed",
        "R11",
        "A claim of a unique key is believed whosever job it names",
        (
            Edit(
                INGEST_SQL,
                "ON j.id = held.job_id AND j.organization_id = held.organization_id AND j.type = held.type",
                "ON j.id = held.job_id",
            ),
            Edit(
                f"{DB}/_migrations/versions/0038_debounced_jobs.py",
                "AND jobs.organization_id = NEW.organization_id AND jobs.type = NEW.type)\n",
                ")\n",
            ),
        ),
        f"{HOSTILE_TESTS}::test_claim_of_a_job_of_anothers_shows_that_job_to_no_caller[of another organization]",
        "assert (200, True) == (202, False)",
        "a service that may only enqueue was shown the other organization's job, by its id",
    ),
    Breakage(
        "ids-of-others-answered",
        "R11",
        "An id that is in use is answered as the caller's own job's, whosever it is",
        (Edit(f"{JOBS}/intake/_enqueue.py", "    if claims.rowcount != 1:\n", "    if claims.rowcount == 0:\n"),),
        f"{OWN_ID_TESTS}::test_the_id_of_anothers_job_is_refused_and_leaves_nothing[database-plain]",
        "DID NOT RAISE",
        "a caller was told the id of another organization's job as if its own were stored, and that did not exist",
    ),
    Breakage(
        "key-shared",
        "R11",
        "Idempotency keys are looked up without their organization",
        (Edit(f"{JOBS}/intake/_marks.py", "key\\n{organization_id}\\n{name}", "key\\n{name}"),),
        f"{API_JOB_TESTS}::test_another_organization_with_the_same_key_gets_its_own_job[lane]",
        "assert (202, 422) == (202, 202)",
        "the second organization was answered 422 instead of getting a job of its own",
    ),
)
