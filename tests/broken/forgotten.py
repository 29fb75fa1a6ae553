"""Breakages of the row about messages whose time is over: what goes too early, twice, or in somebody's way."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

RETENTION = "packages/singr-comms/src/singr_comms/notifications/retention"
TESTS = "tests/faults/test_faults_message_retention.py"
ON_ITS_WAY = f"{TESTS}::test_what_is_on_its_way_is_never_dropped_and_keeps_its_words"

BREAKAGES = (
    Breakage(
        "doubt-dropped",
        "R36",
        "A message of which something is still to be found out is dropped with its week",
        (Edit(f"{RETENTION}/_times.py", "NOT IN ('outcome_unknown', 'lost')", "IN ('nothing')"),),
        f"{ON_ITS_WAY}[unknown-settling-]",
        "assert {} == {",
        "what its provider was asked about was gone when it answered",
    ),
    Breakage(
        "left-and-forgotten",
        "R36",
        "What was in somebody's hands is not looked at again",
        (Edit(f"{RETENTION}/_trimming.py", "+ _AGAIN if left else None", "+ _AGAIN if left < 0 else None"),),
        f"{TESTS}::test_what_somebody_has_in_hand_is_gone_around_and_looked_at_a_day_later",
        "assert 0 == 1",
        "what a callback's transaction held just then stayed for months",
    ),
    Breakage(
        "old-messages-told-again",
        "R36",
        "Weeks of what providers said are made again for what was kept of them",
        (
            Edit(
                f"{RETENTION}/_dropping.py",
                '            await remember(connection, week, len(survivors), values["now"], is_cleared=True)\n',
                '            if week.parent == "messages":\n'
                '                await remember(connection, week, len(survivors), values["now"], is_cleared=True)\n',
            ),
        ),
        f"{TESTS}::test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on",
        "none is made again",
        "weeks came back for one event each, for ever",
    ),
    Breakage(
        "uncounted-messages-gone",
        "R36",
        "A week goes whose hours are counted still",
        (Edit(f"{RETENTION}/_dropping.py", "due_at < 'infinity'", "due_at < '-infinity'"),),
        f"{TESTS}::test_nothing_goes_that_statistics_still_count",
        "not enough values to unpack",
        "statistics told of fewer messages than there had been",
    ),
)
