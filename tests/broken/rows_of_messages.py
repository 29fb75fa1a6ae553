"""Reliability rows about messages: providers that fail, and doubt about what they took."""

from __future__ import annotations

from broken.breakage import Row

_PIPELINING = "packages/singr-comms/tests/test_comms_smtp_pipelining.py"
_FORGETFUL = f"{_PIPELINING}::test_server_that_offers_it_and_does_not_take_it_gets_one_command_at_a_time_from_then_on"
_TAKES_OVER = (
    "tests/faults/test_faults_providers.py::test_second_provider_takes_over_and_the_first_is_asked_again_by_one_message"
)
_EVERYTHING = (
    "tests/faults/test_faults_everything.py"
    "::test_everything_killed_at_random_loses_no_message_doubles_none_and_leaves_none_without_an_end"
)
_FAILOVER = "packages/singr-comms/tests/test_comms_failover.py"
_REFUSED = "tests/faults/test_faults_providers.py::test_refused_account_loses_no_message_and_all_are_sent_afterwards"
_HOLDS = "packages/singr-comms/tests/test_comms_holds.py"
_PUT_OFF = "packages/singr-comms/tests/test_comms_put_off.py"
_WRONG_PASSWORD = (
    "packages/singr-comms/tests/test_comms_smtp.py::test_refusal_of_our_account_is_told_from_a_message_refused[535]"
)
_GOING = "tests/faults/test_faults_message_retention.py"
_OVER_WEEKS = f"{_GOING}::test_over_many_weeks_nothing_wanted_goes_and_what_is_over_is_gone_for_good"
_SETTLING = "packages/singr-comms/tests/test_comms_settling.py"
_OPTED_OUT = "tests/faults/test_faults_opted_out.py::test_of_many_that_are_queued_those_whose_readers_opted_out_stop"
_BRANDING = "packages/singr-comms/tests/test_comms_branding.py"
_DECIDED_ALIKE = (
    "packages/singr-comms/tests/test_comms_notified.py"
    "::test_an_address_that_is_stopped_is_so_at_the_decision_as_it_is_when_an_attempt_begins[plain]"
)
_CLICKED = (
    "packages/singr-comms/tests/test_comms_unsubscribe.py"
    "::test_link_of_a_recipients_mail_is_theirs_though_others_have_the_address_and_ends_what_they_chose"
)
_CHANGED = (
    "tests/faults/test_faults_changed_meanwhile.py"
    "::test_what_changes_between_queue_and_call_stops_a_message_or_leaves_it_as_it_was_decided"
)
_CHANGES = ("opts-out", "is-erased", "moves", "is-branded", "is-reworded")
_LAST_LOOK = "packages/singr-comms/tests/test_comms_last_look.py"
_CALLBACKS = "packages/singr-comms/tests/test_comms_callbacks.py"

_CRASHES = "packages/singr-comms/tests/test_comms_fan_out_crashes.py"
_ERASED = (
    "packages/singr-comms/tests/test_comms_told_inboxes.py"
    "::test_somebody_erased_in_the_same_moment_keeps_nobody_else_from_theirs"
)
_TOLD_ONCE = (
    "tests/faults/test_faults_fan_out.py"
    "::test_a_crowd_is_told_once_each_whoever_is_killed_and_counts_add_up_where_it_is_cancelled"
)

_ALL_KILLED = (
    "tests/faults/test_faults_notified.py"
    "::test_everything_killed_at_random_under_notifications_loses_none_and_doubles_none"
)

MESSAGES = (
    Row(
        "R26",
        "A crowd is told by several channels, the inbox among them, while whoever decides is killed at any statement,"
        " two decide at once, Redis is flushed, people join or are erased, and another fan-out is cancelled in the"
        " middle: each recipient has one message by each channel, or its reason; jobs, items and counters are those of"
        " the messages, and all counts add up (full: 100,000 recipients, 20 kills; and 10,000 notifications while all"
        " that R35 names, with two workers, is killed at random for ten minutes (`KILL_MINUTES`), and providers hang,"
        " drop lines or fail once they took a message, with quiet hours, digests and campaigns that are paused: none"
        " lost, none twice but where its type may be repeated, and then its attempts tell so)",
        (
            f"{_CRASHES}::test_one_that_dies_before_any_of_its_statements_leaves_whole_bites_and_is_gone_on_with",
            f"{_CRASHES}::test_one_that_is_cancelled_between_two_bites_counts_all_that_it_made",
            f"{_CRASHES}::test_who_joins_while_it_is_decided_has_one_turn_or_none_but_never_two",
            f"{_CRASHES}::test_two_that_decide_at_once_take_turns",
            _ERASED,
            f"{_TOLD_ONCE}[4000-2]",
        ),
        (f"{_TOLD_ONCE}[100000-20]", _ALL_KILLED),
    ),
    Row(
        "R31",
        "Readers opt out of what is queued for them already, or is to be tried again: what they chose stops each"
        " message whose attempt begins after the commit, by one rule in PostgreSQL and in Python, and what is mandatory"
        " or goes to others is sent; who is erased meanwhile gets nothing; an address, a brand or words that are put"
        " meanwhile change no message that was made before (full: 1,000 messages, and 1,000 of each change)",
        (
            f"{_LAST_LOOK}::test_opt_out_before_the_first_attempt_stops_it_and_calls_nobody",
            f"{_LAST_LOOK}::test_opt_out_between_two_attempts_stops_the_second",
            f"{_OPTED_OUT}[12]",
            "packages/singr-comms/tests/test_comms_preference_rule.py::test_sql_and_python_decide_the_same",
            *(f"{_CHANGED}[{change}-4]" for change in _CHANGES),
            f"{_BRANDING}::test_every_try_wears_what_was_in_force_when_the_message_was_made",
            _DECIDED_ALIKE,
            _CLICKED,
        ),
        (f"{_OPTED_OUT}[1000]", *(f"{_CHANGED}[{change}-1000]" for change in _CHANGES)),
    ),
    Row(
        "R15",
        "A provider hangs, or answers 500, 503 or 429 for a while: the second one takes over within ten failures,"
        " other channels go on, nothing goes twice, what was perhaps sent is given to nobody else, one message at a"
        " time tries whether it is over, and none is lost to that where there is no second one, nor to an outage that"
        " is too short for a breaker, nor to what passes for it alone (full: each for 5 minutes, two processes)",
        (
            f"{_TAKES_OVER}[503-60-1.0-1]",
            f"{_FAILOVER}::test_what_was_perhaps_sent_is_never_given_to_another",
            f"{_FAILOVER}::test_of_all_processes_one_probes_and_the_pause_grows_while_it_fails",
            f"{_FAILOVER}::test_without_a_second_provider_messages_wait_and_pay_no_attempt",
            f"{_FAILOVER}::test_no_message_is_lost_to_an_outage_without_a_second_provider",
            f"{_FAILOVER}::test_whoever_looks_at_once_after_the_last_failure_sees_the_breaker_open",
            f"{_PUT_OFF}::test_what_passes_is_waited_for_less_and_less_often_once_attempts_are_spent[smtp_450]",
        ),
        tuple(f"{_TAKES_OVER}[{fault}-600-300.0-2]" for fault in ("500", "503", "429", "hang")),
    ),
    Row(
        "R24",
        "A provider refuses our account for a while (SMTP 535, HTTP 401 and 403, a full queue, words that nobody knows"
        " to three recipients in a row): no message is lost, it is told within 30 s, and all are sent afterwards (full:"
        " 10 minutes)",
        (
            f"{_REFUSED}[20-2.0-1]",
            _WRONG_PASSWORD,
            f"{_HOLDS}::test_same_answer_to_several_recipients_in_a_row_is_about_us",
            f"{_HOLDS}::test_account_that_is_open_to_others_holds_this_message_and_no_other",
        ),
        (f"{_REFUSED}[300-600.0-2]",),
    ),
    Row(
        "R25",
        "One provider perhaps took a message and said nothing, or 500, while the second one is well; callbacks come"
        " late, doubled and in any order; a mail server speaks out of turn, or forgets what came together: nothing goes"
        " twice, the second never gets it, nothing is told as sent that was not taken, and each ends in a state with a"
        " reason (full: 5 minutes of 500 with two processes; callbacks are S24's)",
        (
            f"{_FAILOVER}::test_what_was_perhaps_sent_is_never_given_to_another",
            f"{_SETTLING}::test_what_was_taken_without_a_word_is_found_and_not_sent_twice[email-accept_then_fail_next]",
            f"{_SETTLING}::test_another_provider_never_gets_it_though_the_first_is_gone_from_the_settings",
            f"{_SETTLING}::test_who_cannot_be_asked_is_asked_for_an_hour_and_then_people_are[email]",
            f"{_CALLBACKS}::test_callback_settles_what_nobody_knew[unknown]",
            f"{_CALLBACKS}::test_callbacks_in_every_order_doubled_end_in_the_highest_state",
            f"{_PIPELINING}::test_mail_is_not_handed_to_a_server_that_has_said_already_that_it_took_it[True]",
            f"{_FORGETFUL}[250 OK]",
        ),
        (f"{_TAKES_OVER}[500-600-300.0-2]",),
    ),
    Row(
        "R35",
        "API, worker, its processes, PostgreSQL, Redis and the providers themselves are killed with `kill -9` at random"
        " while mails, text messages and pushes are asked for: no message is lost, none goes twice but where its type"
        " says that it may be repeated, and then its attempts tell so; each has its end, by a SELECT, once doubt is"
        " settled and what failed is tried again (full: 10,000 messages, 250 rounds of kills over ten minutes)",
        (f"{_EVERYTHING}[240-12-10.0]",),
        (f"{_EVERYTHING}[10000-250-600.0]",),
    ),
    Row(
        "R36",
        "What messages say, and messages, go once the time of their category is over: what is on its way, in doubt or"
        " has an open dead letter stays with its words, however old it is; killed before any of its statements nothing"
        " wanted is lost, and what went does not come back; a long transaction holds up the drop and nobody else, and"
        " nothing goes that is counted still (full: 72 weeks)",
        (
            f"{_GOING}::test_words_go_first_and_then_the_week_whole_and_each_category_has_its_time",
            f"{_GOING}::test_what_is_on_its_way_is_never_dropped_and_keeps_its_words[unknown-settling-]",
            f"{_GOING}::test_what_somebody_has_in_hand_is_gone_around_and_looked_at_a_day_later",
            f"{_GOING}::test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on",
            f"{_GOING}::test_long_transaction_holds_the_drop_up_and_nobody_else",
            f"{_GOING}::test_nothing_goes_that_statistics_still_count",
            f"{_OVER_WEEKS}[16]",
        ),
        (f"{_OVER_WEEKS}[72]",),
    ),
)
