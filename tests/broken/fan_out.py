"""Breakages of the row about fan-outs: what is decided twice, by halves, or after it was cancelled."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

NOTIFYING = "packages/singr-comms/src/singr_comms/notifying"
FAN_OUT = f"{NOTIFYING}/_fan_out.py"
TESTS = "packages/singr-comms/tests"
CRASHES = f"{TESTS}/test_comms_fan_out_crashes.py"
KILLED = (
    "tests/faults/test_faults_fan_out.py"
    "::test_a_crowd_is_told_once_each_whoever_is_killed_and_counts_add_up_where_it_is_cancelled[4000-2]"
)

BREAKAGES = (
    Breakage(
        "bites-without-their-cursor",
        "R26",
        "The messages of a bite are committed before it is noted how far the fan-out is",
        (
            Edit(
                FAN_OUT,
                "        await session.execute(sql.DECIDED, values)\n",
                '        await session.execute(__import__("sqlalchemy").text("COMMIT"))\n'
                "        await session.execute(sql.DECIDED, values)\n",
            ),
        ),
        f"{CRASHES}::test_one_that_dies_before_any_of_its_statements_leaves_whole_bites_and_is_gone_on_with",
        "assert 0 == 2",
        "who went on decided the same recipients again",
    ),
    Breakage(
        "bites-side-by-side",
        "R26",
        "Nobody holds a notification while a bite of it is decided",
        (
            Edit(
                f"{NOTIFYING}/_sql.py",
                "  FROM notifications WHERE id = :id AND organization_id = :organization_id FOR UPDATE\n",
                "  FROM notifications WHERE id = :id AND organization_id = :organization_id\n",
            ),
        ),
        f"{CRASHES}::test_two_that_decide_at_once_take_turns",
        "assert Counter(",
        "two processes decided the same recipients at once, and each had two",
    ),
    Breakage(
        "cancelled-with-jobs-that-wait",
        "R26",
        "Whoever cancels a notification stops its messages, and leaves their jobs",
        (
            Edit(
                f"{NOTIFYING}/_steering.py",
                '        await cancel_jobs(session, ids, organization_id=which["organization_id"])\n',
                "",
            ),
        ),
        KILLED,
        "'email.send' AND status = 'pending'",
        "a hundred thousand jobs were tried for nothing, one after another",
    ),
    Breakage(
        "inboxes-of-the-erased",
        "R26",
        "Nobody holds the recipients whose inboxes a bite fills",
        (Edit(f"{NOTIFYING}/_fan_out_sql.py", " ORDER BY r.id FOR KEY SHARE OF r\n", " ORDER BY r.id\n"),),
        f"{TESTS}/test_comms_told_inboxes.py::test_somebody_erased_in_the_same_moment_keeps_nobody_else_from_theirs",
        "IntegrityError",
        "one who was erased in that moment failed the bite for all who were decided with them",
    ),
    Breakage(
        "items-uncounted",
        "R26",
        "An item goes into an inbox, and the counter stays as it was",
        (
            Edit(
                "packages/singr-comms/src/singr_comms/people/inbox/_items.py",
                "    SELECT recipient_id, organization_id, 1, 1, 1 FROM given ORDER BY recipient_id\n",
                "    SELECT recipient_id, organization_id, 0, 0, 1 FROM given ORDER BY recipient_id\n",
            ),
        ),
        KILLED,
        "assert [(4001,)] == [(0,)]",
        "the number on the bell was none, with items in the inbox",
    ),
)
