"""Breakages of the rows about messages: what people typed, and what providers answer."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

COMMS = "packages/singr-comms/src/singr_comms"
MIME = f"{COMMS}/rendering/_mime.py"
INERT = f"{COMMS}/rendering/_inert.py"
MAILJET = f"{COMMS}/providers/mailjet.py"
ORDINARY = f"{COMMS}/notifications/sending/_ordinary.py"
PREFERENCES = f"{COMMS}/people/preferences/"
_DECIDED_ALIKE = (
    "packages/singr-comms/tests/test_comms_notified.py"
    "::test_an_address_that_is_stopped_is_so_at_the_decision_as_it_is_when_an_attempt_begins[plain]"
)

HOLD_TESTS = "packages/singr-comms/tests/test_comms_holds.py"
SMTP_TESTS = "packages/singr-comms/tests/test_comms_smtp.py"
PIPELINING = "packages/singr-comms/tests/test_comms_smtp_pipelining.py"
FAILOVER_TESTS = "packages/singr-comms/tests/test_comms_failover.py"
INERT_TESTS = "packages/singr-comms/tests/test_comms_inert.py"
EVERYTHING = (
    "tests/faults/test_faults_everything.py"
    "::test_everything_killed_at_random_loses_no_message_doubles_none_and_leaves_none_without_an_end[240-12-10.0]"
)

EXPORTS = f"{COMMS}/people/exporting/_exports.py"
EXPORT_TESTS = "packages/singr-comms/tests/test_comms_exports.py"

BREAKAGES = (
    Breakage(
        "export-of-the-erased",
        "S12",
        "Nobody looks whether a person was erased while their data was written out",
        (
            Edit(
                EXPORTS,
                "                if held is None:\n                    return",
                "                if held is ...:\n                    return",
            ),
            Edit(EXPORTS, "WHERE id = :id AND state = 'queued' RETURNING", "WHERE id = :id RETURNING"),
            Edit(
                EXPORTS,
                "to, locale = account or self._address(held), held.locale",
                "to, locale = EmailAddress('x@example.org'), None",
            ),
        ),
        f"{EXPORT_TESTS}::test_who_is_erased_while_it_is_written_has_none",
        "AssertionError",
        "everything that had been known of them lay in the object store, with a link under way to it",
    ),
    Breakage(
        "export-outlives-erasure",
        "S12",
        "What was written out of a person stays where they are erased",
        (Edit(f"{COMMS}/people/privacy/_erase.py", "    await withdraw_exports(session, ids)\n", ""),),
        f"{EXPORT_TESTS}::test_erasure_deletes_what_was_written",
        "AssertionError",
        "the link went on leading to all that the erasure had taken away elsewhere",
    ),
    Breakage(
        "callbacks-of-the-erased",
        "S12",
        "What providers told of somebody stays where they are erased",
        (
            Edit(
                f"{COMMS}/people/privacy/_blanking.py",
                "                await session.execute(_CALLBACKS, which)\n",
                "                assert _CALLBACKS is not None\n",
            ),
        ),
        "packages/singr-comms/tests/test_comms_erased_everywhere.py::test_nothing_of_who_is_erased_can_be_read_anywhere",
        "canary-7731@example.org",
        "their address could be opened with the platform's key for thirty days more",
    ),
    Breakage(
        "encoded-word-left-in-a-subject",
        "S16",
        "Text that holds an encoded word goes into a header as it is",
        (Edit(MIME, 'is not None and "=?" not in text', "is not None"),),
        f"{INERT_TESTS}::test_encoded_word_alone_in_a_subject_is_shown_as_it_was_typed[override]",
        "UnsafeMailError",
        "a reader would have decoded what a user had typed; the judge of the finished bytes held it back",
    ),
    Breakage(
        "words-encoded-apart",
        "S16",
        "Words with accents are encoded one by one, with the spaces between them left outside",
        (
            Edit(
                MIME,
                '    chunk = b""\n    for character',
                '    return " ".join(f"=?utf-8?b?{base64.b64encode(_utf8(one)).decode()}?=" for one in text.split())\n'
                '    chunk = b""\n    for character',
            ),
        ),
        f"{INERT_TESTS}::test_folding_keeps_every_space_between_words_with_accents[300]",
        "AssertionError",
        "readers drop the space between two encoded words, and the words ran together",
    ),
    Breakage(
        "bytes-not-judged",
        "S16",
        "Nobody looks at the finished bytes for bare line ends",
        (Edit(MIME, '        raise UnsafeMailError("holds a bare CR or LF")\n', "        pass\n"),),
        f"{INERT_TESTS}::test_bytes_that_are_not_the_mail_that_was_meant_do_not_leave[bare CR]",
        "UnsafeMailError",
        "the control character was still noticed, but a line end that stands alone would have left",
    ),
    Breakage(
        "codes-cost-nothing",
        "S15",
        "Codes and notices of security are sent however many go to one place",
        (
            Edit(
                f"{COMMS}/notifications/sending/_quotas.py",
                "        if row.channel != SMS.name or address is None:\n",
                "        if row.channel != SMS.name or address is None or message_types.carries_code(row.kind):\n",
            ),
        ),
        "packages/singr-comms/tests/test_comms_guards.py"
        "::test_codes_for_numbers_side_by_side_stop_at_the_limit_over_all_organizations",
        "assert ['', '', '', '', '']",
        "whoever asked for codes to their own premium numbers was paid for each",
    ),
    Breakage(
        "locked-ledger-counts",
        "R20",
        "A message's row that is locked is waited for by a time limit that counts as the handler's own",
        (
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                'answered_within(PATIENCE, "PostgreSQL"):',
                "asyncio.timeout(PATIENCE):",
            ),
        ),
        f"{HOLD_TESTS}::test_ledger_that_is_locked_is_an_outage_and_no_attempt_that_took_too_long",
        "its attempt does not count",
        "three text messages failed for good while an operator's console held their rows for half a minute",
    ),
    Breakage(
        "doubt-sent-again",
        "R35",
        "What was perhaps sent goes out again, whatever its type says",
        (
            Edit(
                f"{COMMS}/notifications/sending/_policy.py",
                '"settle": Step.SETTLE, "flag": Step.FLAG}',
                '"settle": Step.SEND, "flag": Step.SEND}',
            ),
        ),
        EVERYTHING,
        "taken 2 times",
        "singers were told of one song twice",
    ),
    Breakage(
        "doubt-forgotten",
        "R2",
        "What fails for certain makes a message fail, though an attempt before may have sent it",
        (
            Edit(
                f"{COMMS}/notifications/sending/_policy.py",
                "    in_doubt_still = unknown or begun.pinned\n",
                "    in_doubt_still = unknown\n",
            ),
        ),
        "packages/singr-comms/tests/test_comms_settling.py::test_last_failure_leaves_it_in_doubt",
        "RetryLater",
        "a mail that had arrived was told of as failed, and a retry a day later sent it again",
    ),
    Breakage(
        "doubt-moves-on",
        "R25",
        "What one provider perhaps has is given to the next one in the same try",
        (
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                "isinstance(error, TransientError) and not (error.doubtful or error.about_recipient)",
                "not isinstance(error, PermanentSendError)",
            ),
        ),
        f"{FAILOVER_TESTS}::test_what_was_perhaps_sent_is_never_given_to_another",
        "DID NOT RAISE",
        "whoever had the mail from the first provider got it from the second as well",
    ),
    Breakage(
        "answers-believed-before-the-mail",
        "R25",
        "What a mail server said before it had the mail counts as its word for it",
        (Edit(f"{COMMS}/providers/_smtp/_exchange.py", "        self._lent().expect_nothing()\n", ""),),
        f"{PIPELINING}::test_mail_is_not_handed_to_a_server_that_has_said_already_that_it_took_it[True]",
        "NoneType",
        "a mail that was refused in the end was told as sent",
    ),
    Breakage(
        "forgetful-servers-told-all-at-once",
        "R25",
        "A mail server that forgets commands which come together gets all mails so",
        (Edit(f"{COMMS}/providers/_smtp/_pace.py", "_ONE_BY_ONE: Final = 3600.0\n", "_ONE_BY_ONE: Final = 0.0\n"),),
        f"{PIPELINING}::test_server_that_offers_it_and_does_not_take_it_gets_one_command_at_a_time_from_then_on"
        "[250 OK]",
        "TransientError",
        "no mail ever reached such a server",
    ),
    Breakage(
        "refusals-of-the-account-are-final",
        "R24",
        "A mail server that refuses our password refuses the message for good",
        (
            Edit(
                f"{COMMS}/providers/_smtp/_answers.py",
                "        ours = is_about_us(error.code, error.message, stage, recipient)\n",
                "        ours = False\n",
            ),
        ),
        f"{SMTP_TESTS}::test_refusal_of_our_account_is_told_from_a_message_refused[535]",
        "PermanentSendError",
        "every mail of those seconds was lost at its first try",
    ),
    Breakage(
        "each-answer-for-itself",
        "R24",
        "An answer that tells nothing is believed to be about its recipient, however many get it in a row",
        (Edit(f"{COMMS}/notifications/sending/_holds.py", "_IN_A_ROW: Final = 3\n", "_IN_A_ROW: Final = 10_000\n"),),
        f"{HOLD_TESTS}::test_same_answer_to_several_recipients_in_a_row_is_about_us",
        "[True, True, False]",
        "every message was refused for itself, and failed after its tries",
    ),
    Breakage(
        "refusals-count-as-attempts",
        "R24",
        "An attempt that the account's refusal ended is counted",
        (
            Edit(
                f"{COMMS}/notifications/sending/_sender.py",
                'f"it waits: {reason}", counts=False)',
                'f"it waits: {reason}")',
            ),
        ),
        "tests/faults/test_faults_providers.py"
        "::test_refused_account_loses_no_message_and_all_are_sent_afterwards[20-2.0-1]",
        "a refusal of the account counted as an attempt",
        "jobs that had waited for the account had paid attempts for it",
    ),
    Breakage(
        "provider-template-language",
        "S21",
        "Text of users goes to Mailjet with its braces",
        (
            Edit(MAILJET, "else _tame(inert(told))", "else inert(told)"),
            Edit(MAILJET, "        _judge(message)\n", "        pass\n"),
        ),
        f"{INERT_TESTS}::test_nothing_that_mailjet_would_interpret_leaves[{{{{var:x}}}}-template]",
        "assert '{{' not in",
        "Mailjet would have put another recipient's variable where the title stood",
    ),
    Breakage(
        "direction-overrides-left-in",
        "S21",
        "Format characters stay in names and titles",
        (Edit(INERT, '    return kind not in {"Cc", "Cf", "Cs"}\n', '    return kind not in {"Cc", "Cs"}\n'),),
        f"{INERT_TESTS}::test_character_that_cannot_be_seen_or_turns_the_rest_is_taken_out[U+202E]",
        "AdaLovelace",
        "what followed the name was shown backwards",
    ),
    Breakage(
        "ended-while-it-waited",
        "R2",
        "The short way through the ledger looks at a message before it waits for its row, and not again",
        (
            Edit(
                ORDINARY,
                "AND status = 'queued' AND attempts = 0\n       FOR UPDATE",
                "\n       FOR UPDATE",
            ),
        ),
        "packages/singr-comms/tests/test_comms_ordinary.py"
        "::test_what_another_ended_while_it_waited_is_not_sent_and_not_counted",
        "Failed: DID NOT RAISE",
        "a message that had just been stopped went out all the same",
    ),
    Breakage(
        "opt-out-after-queueing",
        "R31",
        "The statement that begins an attempt does not ask what its recipient wants",
        (Edit(f"{PREFERENCES}_look.py", "WHERE NOT choice.allowed)", "WHERE false)"),),
        "packages/singr-comms/tests/test_comms_last_look.py"
        "::test_opt_out_before_the_first_attempt_stops_it_and_calls_nobody",
        "assert ['sent', 'sent', 'sent'] == ['preference'",
        "what was queued before somebody opted out was sent all the same",
    ),
    Breakage(
        "default-outweighs-a-no",
        "R31",
        "In PostgreSQL, a recipient's no to a channel is no answer",
        (Edit(f"{PREFERENCES}_rule.py", "        WHEN NOT {_T_CHANNEL} THEN '-recipient:channel'\n", ""),),
        "packages/singr-comms/tests/test_comms_preference_rule.py::test_sql_and_python_decide_the_same",
        "'recipient:channel'",
        "who had switched a channel off got by it what their organization has on",
    ),
    Breakage(
        "ended-category-decided-otherwise",
        "R31",
        "Where a notification is decided, nothing is known of categories that the holder of an address has ended",
        (
            Edit(
                f"{COMMS}/notifying/_fan_out_sql.py",
                "scope = 'category:' || CAST(:category AS text)",
                "scope = 'category:'",
            ),
        ),
        _DECIDED_ALIKE,
        "unsubscribed-category:general",
        "what somebody had unsubscribed from was made and queued",
    ),
    Breakage(
        "narrower-yes-outlives-the-click",
        "R31",
        "One click on a mail ends its category, but for types that its reader chose by themselves",
        (
            Edit(
                f"{PREFERENCES}_links.py",
                "    await session.execute(_NARROWER, values)\n",
                "",
            ),
        ),
        "packages/singr-comms/tests/test_comms_unsubscribe.py"
        "::test_link_of_a_recipients_mail_is_theirs_though_others_have_the_address_and_ends_what_they_chose",
        "'song_request', 'email', True, 'recipient'",
        "the next mail of the very type that was clicked away came all the same",
    ),
)
