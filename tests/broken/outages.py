"""Breakages of the rows about outages that reach a handler, and of handlers that fail."""

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

BREAKAGES = (
    Breakage(
        "read-only-is-a-fault",
        "R21",
        "A database that is read-only counts as a fault of ours, not as an outage",
        (Edit(f"{DB}/_outages.py", '        "25006",  # read-only: a failover is under way\n', ""),),
        R21,
        "assert (500, None) == (503, '1')",
        "ingestion answered 500, and outcomes were given up one by one",
    ),
    Breakage(
        "ready-without-writes",
        "R21",
        "Readiness asks whether PostgreSQL answers, not whether it takes writes",
        (Edit(f"{DB}/_database.py", 'writable = row is not None and row[0] == "off"', "writable = row is not None"),),
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
