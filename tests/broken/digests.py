"""Breakages of the row about digests: what is told twice, lost, or told at another hour."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

DIGESTS = "packages/singr-comms/src/singr_comms/notifying/digests"
TESTS = "packages/singr-comms/tests"
DIGEST_TESTS = f"{TESTS}/test_comms_digests_at_once.py"
CLOCKS = f"{TESTS}/test_comms_clocks.py::test_postgresql_and_python_say_the_same"

BREAKAGES = (
    Breakage(
        "digests-closed-side-by-side",
        "R27",
        "Nobody holds a window while it is closed",
        (Edit(f"{DIGESTS}/_sql.py", " LIMIT :limit FOR UPDATE OF w SKIP LOCKED\n", " LIMIT :limit\n"),),
        f"{DIGEST_TESTS}::test_many_workers_close_each_window_once",
        " == 31",
        "several workers made a mail each of one day",
    ),
    Breakage(
        "items-gone-before-their-mail",
        "R27",
        "Items are taken out of a window in a transaction of their own",
        (
            Edit(
                f"{DIGESTS}/_closing.py",
                "        unwanted = await self._unwanted(session, row)\n",
                '        await session.execute(sql.TAKEN, window | span | {"but": []})\n'
                '        await session.execute(__import__("sqlalchemy").text("COMMIT"))\n'
                "        unwanted = await self._unwanted(session, row)\n",
            ),
        ),
        f"{DIGEST_TESTS}::test_whoever_dies_while_it_closes_leaves_all_of_it_or_one_mail",
        "assert {(0, 0), (2, 0)} <=",
        "a worker that died had taken what nobody was told of",
    ),
    Breakage(
        "late-items-in-a-second-mail",
        "R27",
        "A window that was opened for a time at which another one closed is closed at once",
        (
            Edit(
                f"{DIGESTS}/_sql.py",
                "before.closes_at = due.closes_at) AS is_late",
                "false) AS is_late",
            ),
        ),
        f"{DIGEST_TESTS}::test_what_comes_while_a_window_closes_opens_the_next_one",
        "assert 1 == 0",
        "what came while a digest was made came in a second mail right behind it",
    ),
    Breakage(
        "first-of-two-hours",
        "R27",
        "Of an hour that comes twice, Python means the first",
        (
            Edit(
                "packages/singr-comms/src/singr_comms/people/times/_clock.py",
                "    return max(local.replace(fold=fold)",
                "    return min(local.replace(fold=fold)",
            ),
        ),
        CLOCKS,
        "assert [(datetime",
        "Python and the database disagreed by an hour on the days on which clocks are changed",
    ),
)
