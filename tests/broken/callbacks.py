"""Breakages of the rows about callbacks of providers."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

COMMS = "packages/singr-comms/src/singr_comms"
ANSWERS = f"{COMMS}/notifications/sending/_suppressions.py"
INBOUND_TESTS = "packages/singr-comms/tests/test_comms_inbound.py"
CALLBACK_TESTS = "packages/singr-comms/tests/test_comms_callbacks.py"

BREAKAGES = (
    Breakage(
        "signed-times-to-come-are-believed",
        "S24",
        "A signed time may lie in the future, as Stripe's own library has it",
        (Edit(f"{COMMS}/inbound/_callback.py", "if abs(now - int(stamp)) >", "if now - int(stamp) >"),),
        f"{INBOUND_TESTS}::test_signature_of_another_time_is_refused[301]",
        "assert not True",
        "a callback that was signed for tomorrow was taken today",
    ),
    Breakage(
        "states-fall",
        "S24",
        "The last callback to come says what a message is",
        (
            Edit(
                f"{COMMS}/notifications/callbacks/_message_news.py",
                "raised = news.state is not None and RANKS[news.state] > RANKS[row.status]",
                "raised = news.state is not None",
            ),
        ),
        f"{CALLBACK_TESTS}::test_callbacks_in_every_order_doubled_end_in_the_highest_state",
        "AssertionError",
        "a mail that somebody had complained of became delivered again",
    ),
    Breakage(
        "answers-hold-in-the-order-of-their-jobs",
        "S24",
        "STOP and START hold in the order in which their jobs run",
        (
            Edit(ANSWERS, " WHERE known.webhook_id <= excluded.webhook_id\n", ""),
            Edit(ANSWERS, "= ANY (:hashes) AND webhook_id > :webhook_id)", "= ANY (:hashes) AND false)"),
        ),
        "packages/singr-comms/tests/test_comms_suppressions.py"
        "::test_last_answer_to_come_holds_whatever_order_their_jobs_run_in[STOP]",
        "AssertionError",
        "somebody who had answered STOP, START and STOP was written to",
    ),
    Breakage(
        "callbacks-about-anything-are-believed",
        "S24",
        "Nobody asks whether the provider was given the message",
        (
            Edit(
                f"{COMMS}/notifications/callbacks/_message_news.py",
                "    if not same and not unnamed:\n",
                "    unnamed.append(0)\n    if not same and not unnamed:\n",
            ),
        ),
        f"{CALLBACK_TESTS}::test_callback_for_what_a_provider_was_never_given_changes_nothing",
        "AssertionError",
        "a callback with another message's number bounced this one",
    ),
    Breakage(
        "signed-texts-are-cut-anew",
        "S24",
        "A signature of Twilio's holds for whatever fields read the same when they are run together",
        (
            Edit(
                f"{COMMS}/inbound/_twilio_fields.py",
                "        if max(inside, len(pattern.findall(signed))) > names.count(name):\n",
                "        if inside < 0:\n",
            ),
        ),
        "packages/singr-comms/tests/test_comms_twilio_fields.py::"
        "test_text_whose_words_hold_a_field_stops_nobody_else_when_it_is_sent_again_cut_anew[plain-name]",
        "DID NOT RAISE",
        "a text of one's own stopped somebody else's number",
    ),
    Breakage(
        "any-permanent-bounce-is-of-a-dead-mailbox",
        "S24",
        "A bounce is of a dead address where its provider calls it permanent",
        (Edit(f"{COMMS}/inbound/_dead.py", "        return _DEAD.issuperset(statuses)\n", "        return True\n"),),
        "packages/singr-comms/tests/test_comms_suppressions.py"
        "::test_refusal_that_says_nothing_of_the_mailbox_stops_one_organization_and_nothing_awaited[content]",
        "AssertionError",
        "one organization's spam kept every other one's codes from its reader",
    ),
)
