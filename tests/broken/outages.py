"""Breakages of the rows about outages that reach a handler, and of handlers that fail or are not here."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
DB = "packages/singr-db/src/singr_db"
R21 = (
    "tests/faults/test_faults_failover.py"
    "::test_a_database_that_turns_read_only_costs_nobody_anything[by_reload-4.0-5.0]"
)
R21_OUTAGE = (
    "packages/singr-jobs/tests/test_jobs_outages.py::test_an_outage_that_a_handler_meets_counts_no_attempt[disk full]"
)
R22 = "packages/singr-jobs/tests/test_jobs_failing.py::test_a_job_ends_in_whatever_way_its_handler_fails"

NAMES = "packages/singr-jobs/tests/test_jobs_names.py"
R23_WAITS = f"{NAMES}::test_a_job_of_an_unknown_type_waits_untouched_for_a_worker_that_knows_it"
R23_TICKET = f"{NAMES}::test_a_ticket_at_a_process_that_does_not_know_its_job_costs_no_attempt"

BREAKAGES = (
    Breakage(
        "unknown-types-taken",
        "R23",
        "Dispatch takes jobs of any type",
        (
            Edit(
                f"{JOBS}/running/_sql.py",
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
        (Edit(f"{JOBS}/running/_sql.py", "   AND type = ANY (%(types)s)\nRETURNING", "RETURNING"),),
        R23_TICKET,
        "== (0, None)",
        "the old release failed the new one's job, `not_runnable`, at the price of an attempt",
    ),
    Breakage(
        "unknown-types-go-round",
        "R23",
        "A job that came back from a process that did not know it is sent round by ticket again",
        (Edit(f"{JOBS}/running/_dispatcher.py", "{row[0] for row in due if row[3]}", "set[UUID]()"),),
        R23_TICKET,
        "not in [UUID",
        "the job went out again for whichever process was quicker",
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
        (Edit(f"{JOBS}/running/_failures.py", "outage = outage_behind(error)\n", "outage = None\n"),),
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
        "is failed",
        "the job stayed `processing`, its lease renewed for ever",
    ),
    Breakage(
        "every-refusal-is-an-outage",
        "R22",
        "Whatever PostgreSQL refuses is tried again until it takes it",
        (
            Edit(
                f"{JOBS}/running/_outcomes.py",
                "                if not is_outage(error):\n                    return error\n",
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
        (Edit(f"{JOBS}/running/_endings.py", "    if len(encoded) > limit:\n", "    if len(encoded) > 2**40:\n"),),
        f"{R22}[huge result]",
        "result_not_storable",
        "the result was taken for kept, and was not",
    ),
)
