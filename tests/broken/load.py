"""Breakages of what holds under load: replies of Redis that vanish (R7), workers killed by chance (R18)."""

from __future__ import annotations

from broken.breakage import Breakage, Edit
from broken.reliability import LIMITS_CLOSED

JOBS = "packages/singr-jobs/src/singr_jobs"

R7 = (
    "tests/faults/test_faults_replies.py"
    "::test_replies_of_redis_that_vanish_keep_nothing_for_a_minute_and_do_nothing_twice[0.3-4-60]"
)
R18 = "tests/faults/test_faults_load.py::test_load_with_random_kills_loses_nothing_and_memory_stays_flat[12.0-2-25.0]"

BREAKAGES = (
    Breakage(
        "limits-fail-closed-without-a-reply",
        "R7",
        "The rate limit refuses requests while it cannot count them",
        (LIMITS_CLOSED,),
        R7,
        "AssertionError: 429",
        "a request was answered 429 because one reply of Redis had vanished",
    ),
    Breakage(
        "load-of-the-dead-unswept",
        "R18",
        "The sweeper no longer looks for jobs whose worker fell silent",
        (Edit(f"{JOBS}/maintenance/_sweeper.py", 'LOSE, {"limit": _BATCH, ', 'LOSE, {"limit": 0, '),),
        R18,
        "not within 60 s",
        "what the killed processes had in hand was never done",
    ),
    Breakage(
        "ended-jobs-kept",
        "R18",
        "A worker keeps something of each job that it has done",
        (
            Edit(
                f"{JOBS}/running/_runner.py",
                "        line.finished(job, seconds)\n",
                "        line.finished(job, seconds)\n"
                "        self.kept = (getattr(self, 'kept', None), b'.' * 400_000)\n",
            ),
        ),
        R18,
        "assert ",
        "memory grew with every job",
    ),
)
