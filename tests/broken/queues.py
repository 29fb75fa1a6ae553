"""Breakages of the row about queues that operators steer."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

JOBS = "packages/singr-jobs/src/singr_jobs"
SETTINGS = "packages/singr-jobs/tests/test_jobs_queue_settings.py"
MIXED = "packages/singr-jobs/tests/test_jobs_mixed.py"
SHARING = "packages/singr-jobs/tests/test_jobs_sharing.py"
MANY = "packages/singr-jobs/tests/test_jobs_many_organizations.py"
LOSING = "packages/singr-jobs/tests/test_jobs_losing.py"
DISTURBED = "packages/singr-jobs/tests/test_jobs_disturbed.py"
LATER = "packages/singr-jobs/tests/test_jobs_later.py"

BREAKAGES = (
    Breakage(
        "pauses-heard-late",
        "R33",
        "A take does not look whether somebody has set rules for the queue",
        (Edit(f"{JOBS}/taking/_sql.py", '    "ruled": "false",\n', '    "ruled": "ruled",\n'),),
        f"{SETTINGS}::test_from_the_commit_of_a_pause_on_nothing_is_taken_by_whoever_has_not_heard_of_it",
        "assert ([",
        "whoever had not heard of the pause went on taking",
    ),
    Breakage(
        "limits-a-take-each",
        "R33",
        "A limit bounds each take, and nobody counts what is in hand",
        (
            Edit(
                f"{JOBS}/taking/_rules.py",
                "rule.most - (SELECT COALESCE(sum(jobs), 0) FROM in_hand)",
                "rule.most",
            ),
        ),
        f"{SETTINGS}::test_several_that_take_at_once_stay_within_a_limit",
        "= 7",
        "several processes together had more than the limit",
    ),
    Breakage(
        "nothing-kept-back",
        "R33",
        "No place is kept back from an organization that floods a queue",
        (Edit(f"{JOBS}/running/_sharing.py", "concurrency - _kept(concurrency, small, own) - ", "concurrency - "),),
        f"{SHARING}::test_who_floods_leaves_a_quarter_to_those_that_have_less_than_their_share",
        "{UUID('00000000-0000-0000-0000-000000000001'): 7}",
        "the flood had every place as it came free",
    ),
    Breakage(
        "parts-of-few-places",
        "R33",
        "Of few places, too, a part of one that others wish is left out, and no more than a quarter added",
        (Edit(f"{JOBS}/running/_sharing.py", "return _quarter(concurrency) == 1", "return False"),),
        f"{SHARING}::test_of_few_places_half_is_kept_for_those_that_come_often[6-3]",
        "{UUID('00000000-0000-0000-0000-000000000001'): 5}",
        "others' mails waited for one of a crowd's, though two of five places were left to them",
    ),
    Breakage(
        "places-wait-for-outcomes",
        "R33",
        "A place is taken until the outcome of the job that had it is written",
        (
            Edit(
                f"{JOBS}/running/_line.py",
                "self.in_hand - self.locked - min(self.over, self.concurrency)",
                "self.in_hand",
            ),
        ),
        f"{SHARING}::test_who_has_ended_leaves_a_place_to_others_while_the_outcome_is_written",
        "assert (0, True, 0) == (0, True, 1)",
        "beside a flood every third place did nothing but wait for the disk",
    ),
    Breakage(
        "limits-not-told-of-outcomes",
        "R33",
        "Nobody looks again once an outcome is written whose job's place had been given up before",
        (
            Edit(
                f"{JOBS}/running/_runner.py",
                "if (has_place := entry[0].parted_with(entry[1], time.monotonic())) or entry[1].over:",
                "if has_place := entry[0].parted_with(entry[1], time.monotonic()):",
            ),
        ),
        f"{SETTINGS}::test_a_full_queue_goes_on_once_an_outcome_is_written_whose_place_was_free_before",
        "not within",
        "a full queue stood still until it was looked at again",
    ),
    Breakage(
        "locked-outcomes-keep-places",
        "R33",
        "Outcomes that wait for somebody's transaction to end keep places in their queue",
        (
            Edit(
                f"{JOBS}/running/_line.py",
                "return self.in_hand - self.locked - min(",
                "return self.in_hand - min(",
            ),
        ),
        f"{DISTURBED}::test_rows_of_one_organization_that_are_locked_keep_no_places_from_another",
        "the other one begins",
        "a transaction that held nine rows of one organization stopped the queue of all",
    ),
    Breakage(
        "last-page-to-itself",
        "R33",
        "A look at the last organizations of a queue does not go on with the first",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "(SELECT organization_id FROM hop UNION ALL SELECT organization_id FROM again) AS ring\n"
                "     WHERE organization_id IS NOT NULL LIMIT",
                "(SELECT organization_id FROM hop UNION ALL SELECT organization_id FROM again WHERE NOT EXISTS (\n"
                "        SELECT FROM hop WHERE organization_id IS NOT NULL)) AS ring\n"
                "     WHERE organization_id IS NOT NULL LIMIT",
            ),
        ),
        f"{MANY}::test_nobody_has_more_turns_for_being_last_in_the_order_of_ids",
        "30 each in the mean",
        "the last of five organizations had as many turns as the four others together",
    ),
    Breakage(
        "due-in-one-line",
        "R33",
        "What has become due moves by its time alone, whosever it is and however much",
        (
            Edit(
                f"{JOBS}/taking/_later.py",
                "SELECT at FROM oldest UNION ALL SELECT at FROM free",
                "SELECT at FROM oldest",
            ),
        ),
        f"{LATER}::test_what_is_due_behind_a_flood_moves_within_as_many_looks_as_there_are_pages",
        "assert {(UUID(",
        "one organization's delayed job waited until 60,000 of another had moved, 6 s in all",
    ),
    Breakage(
        "quick-queues-shared-by-nobody",
        "R33",
        "Where jobs are quick, places are whoever's comes first, however long its jobs take",
        (
            Edit(
                f"{JOBS}/running/_line.py",
                "            self.sharing.may_begin(job, self.limit, is_quick=self._is_quick)\n",
                "            True\n",
            ),
        ),
        f"{MIXED}::test_a_place_is_kept_for_who_is_quick_beside_slow_jobs_that_came_at_once[with redis]",
        "three have begun in each",
        "slow jobs that came at once had every place of a queue in which others' jobs take milliseconds",
    ),
    Breakage(
        "tickets-begun-whole",
        "R33",
        "Whoever accepts a ticket takes all of its jobs into hand, whether they have places or not",
        (
            Edit(
                f"{JOBS}/running/_crossing.py",
                "fit, _ = self._line.fitting(known, time.monotonic())",
                "fit = known",
            ),
        ),
        f"{MIXED}::test_of_a_ticket_what_has_no_place_waits_in_turn_with_others",
        "the others wait again",
        "what had no place kept whoever came later from their turns, and was handed over again",
    ),
    Breakage(
        "apart-in-one-line",
        "R33",
        "Jobs that were lost twice run in the order of their times, whosever they are",
        (
            Edit(
                f"{JOBS}/taking/_sql.py",
                "row_number() OVER (PARTITION BY organization_id ORDER BY run_at, id) AS turn",
                "row_number() OVER (ORDER BY run_at, id) AS turn",
            ),
        ),
        f"{LOSING}::test_what_waits_apart_is_taken_by_turns_of_its_organizations[9]",
        "assert [8, 9] == [1, 3]",
        "one organization's waited until all of another had run, one after the other",
    ),
    Breakage(
        "lost-have-every-place",
        "R33",
        "Jobs that were lost with their worker have whatever place is free, and no shares",
        (
            Edit(
                f"{JOBS}/taking/_dispatcher.py",
                "shares = self._shares(queue, at_once=True)",
                "room, shares = places, None",
            ),
        ),
        f"{MIXED}::test_jobs_that_were_lost_have_no_more_than_their_share",
        "three have begun",
        "jobs of a few seconds that one organization had lost once kept others' quick ones waiting until all had run",
    ),
)
