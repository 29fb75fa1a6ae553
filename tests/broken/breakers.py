"""Breakages of the row about providers that fail: the breaker, who probes, and what waits."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

COMMS = "packages/singr-comms/src/singr_comms"
FAILOVER_TESTS = "packages/singr-comms/tests/test_comms_failover.py"
PUT_OFF_TESTS = "packages/singr-comms/tests/test_comms_put_off.py"

BREAKAGES = (
    Breakage(
        "breaker-looked-at-by-one",
        "R15",
        "While one reads how a provider does, all others go by what was known before, whatever has failed since",
        (
            Edit(
                f"{COMMS}/notifications/sending/_health.py",
                "        elif self._known is not None and not self._failed_since:\n",
                "        elif self._known is not None:\n",
            ),
        ),
        f"{FAILOVER_TESTS}::test_whoever_looks_at_once_after_the_last_failure_sees_the_breaker_open",
        "AssertionError: [",
        "all but one called the provider once more, after its breaker had opened",
    ),
    Breakage(
        "doubt-given-away",
        "R15",
        "A message that one provider may have sent is given to the next one",
        (
            Edit(
                f"{COMMS}/notifications/sending/_ledger.py",
                "if step in _GIVEN_UP and doubt is not None and doubt.provider in others:",
                "if False:",
            ),
        ),
        f"{FAILOVER_TESTS}::test_code_that_was_perhaps_sent_is_repeated_where_it_was",
        "DID NOT RAISE",
        "the second provider sent what the first one may have sent",
    ),
    Breakage(
        "everybody-probes",
        "R15",
        "Each process tries a provider that fails whenever it has something to send",
        (
            Edit(
                f"{COMMS}/notifications/sending/_health.py",
                "        if not await self._turn(key):\n",
                "        if False:\n",
            ),
        ),
        f"{FAILOVER_TESTS}::test_probe_whose_process_died_is_another_ones_after_its_call_must_be_over",
        "assert 'first' == 'second'",
        "two processes called it at once",
    ),
    Breakage(
        "probes-pay",
        "R15",
        "A message that tries whether a provider works again pays an attempt for it, and is lost to its last one",
        (
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                "        if await self._health.is_to_blame(",
                "        if False and await self._health.is_to_blame(",
            ),
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                "if spent and one.may_wait and passes(error, begun, unanswered=one.unanswered):",
                "if False:",
            ),
        ),
        f"{FAILOVER_TESTS}::test_no_message_is_lost_to_an_outage_without_a_second_provider",
        "('connection', True)",
        "all fifteen text messages of an outage failed for good, one after each probe",
    ),
    Breakage(
        "what-passes-fails",
        "R15",
        "A message fails with its third attempt, though its answer says that this passes",
        (
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                "if spent and one.may_wait and passes(error, begun, unanswered=one.unanswered):",
                "if False:",
            ),
        ),
        f"{PUT_OFF_TESTS}::test_what_passes_is_waited_for_less_and_less_often_once_attempts_are_spent[smtp_450]",
        "(0.0, True)",
        "a relay that was restarted for fifteen seconds, or that lists senders in grey, lost every mail",
    ),
)
