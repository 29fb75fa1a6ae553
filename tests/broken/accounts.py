"""Breakages of the rows about accounts."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

AUTH = "packages/singr-auth/src/singr_auth"
ACCOUNTS = f"{AUTH}/accounts"
TESTS = "tests/security/test_accounts.py"
SESSIONS = "tests/security/test_sessions.py"
SECRETS = "tests/security/test_account_secrets.py"
PROOFS = "tests/security/test_proofs.py"

REUSED = f"{SESSIONS}::test_reused_refresh_token_ends_its_family_for_good"
RESTORED = "packages/singr-auth/tests/test_auth_restored.py"
REVOKED = f"{SESSIONS}::test_old_access_token_is_refused_by_every_process_within_a_second"

BREAKAGES = (
    Breakage(
        "disabled-accounts-say-so",
        "S4",
        "A disabled account is answered in words of its own",
        (
            Edit(
                f"{ACCOUNTS}/sign_in/_password_sign_in.py",
                "        user, admission = await self._guard.admit_by_email(email, client)\n",
                "        user, admission = await self._guard.admit_by_email(email, client)\n"
                '        if user is not None and user.status == "disabled":\n'
                "            raise EmailUnverifiedError\n",
            ),
        ),
        f"{TESTS}::test_answer_does_not_tell_whether_an_account_exists[/v1/auth/sign-in]",
        "AssertionError: {'known'",
        "the answer to a wrong password told that the account is there, and disabled",
    ),
    Breakage(
        "reused-token-forgiven",
        "S5",
        "A refresh token that comes a second time is refused, but its session goes on",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_refresh.py",
                '        await session.execute(_KILL, {"session_id": row.session_id})\n',
                "",
            ),
        ),
        f"{REUSED}[previous]",
        "the family stays dead",
        "whoever held the newest token went on refreshing it, thief or owner",
    ),
    Breakage(
        "no-grace",
        "S5",
        "A refresh token that comes again at once counts as stolen",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_refresh.py",
                "if row.used and not (self._grace and (row.within_grace or row.lost)):",
                "if row.used:",
            ),
        ),
        f"{SESSIONS}::test_two_tabs_inside_the_grace_window_both_stay_signed_in",
        "assert 401 == 200",
        "the second tab's refresh ended the session for both",
    ),
    Breakage(
        "steps-accepted-again",
        "S6",
        "The time step of a code is not asked for when the code is used up",
        (
            Edit(
                f"{ACCOUNTS}/factors/_totp.py",
                "       AND (last_step IS NULL OR last_step < :step) RETURNING",
                " RETURNING",
            ),
            Edit(f"{ACCOUNTS}/factors/_totp.py", "after=row.last_step, attempts_left", "after=None, attempts_left"),
        ),
        f"{TESTS}::test_a_time_step_is_accepted_once_however_often_at_once[12]",
        "AssertionError: [200, 200",
        "one code opened several sessions",
    ),
    Breakage(
        "tries-uncounted-for-accounts",
        "S7",
        "Tries at a password are counted by address alone",
        (
            Edit(
                f"{ACCOUNTS}/sign_in/_guard.py",
                "            self._let_through(await self._check(by_address, tries))\n",
                "            self._let_through(await self._check(by_address))\n",
            ),
        ),
        f"{TESTS}::test_guesses_are_bounded_over_processes_and_forwarded_addresses_and_the_victim_gets_in[behind-a-proxy]",
        "<= 5",
        "more guesses than the budget allows were compared",
    ),
    Breakage(
        "codes-guessed-without-end",
        "S7",
        "A challenge takes any number of codes",
        (Edit(f"{ACCOUNTS}/proofs/_challenges.py", "MOST_ATTEMPTS: Final = 5", "MOST_ATTEMPTS: Final = 5000"),),
        f"{TESTS}::test_codes_of_a_challenge_can_be_guessed_five_times",
        "no more are counted",
        "every guess was looked at",
    ),
    Breakage(
        "links-used-again",
        "S8",
        "A one-time token is marked as used without being asked whether it was",
        (
            Edit(
                f"{ACCOUNTS}/proofs/_one_time.py",
                "SET used_at = now() WHERE id = :id AND used_at IS NULL AND expires_at > now() RETURNING id",
                "SET used_at = now() WHERE id = :id RETURNING id",
            ),
        ),
        f"{TESTS}::test_link_used_many_times_at_once_has_one_winner_and_get_uses_up_nothing[12]",
        "AssertionError: [200, 200",
        "one link signed several callers in",
    ),
    Breakage(
        "signatures-unchecked",
        "S9",
        "Access tokens are read without checking their signature",
        (
            Edit(
                f"{AUTH}/_tokens/_access_tokens.py",
                "            jws.deserialize_compact(text, key, algorithms=[ALGORITHM])\n",
                "            pass\n",
            ),
        ),
        f"{SESSIONS}::test_tokens_of_another_kind_or_altered_are_no_access_tokens",
        "assert 200 == 401",
        "a token that another key had signed was believed",
    ),
    Breakage(
        "revocation-unread",
        "S10",
        "Processes do not read the feed of what was taken away",
        (Edit(f"{ACCOUNTS}/sessions/_access_feed.py", "return session_id in self._ended", "return False"),),
        f"{REVOKED}[sign-out]",
        "assert False",
        "the access token of a session that was signed out went on opening doors",
    ),
    Breakage(
        "history-unread",
        "S10",
        "Processes do not notice that the database was restored",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_access_feed.py",
                "if self._history not in {None, head[1]}:",
                "if False:",
            ),
        ),
        f"{RESTORED}::test_what_a_person_might_do_after_the_moment_of_a_restore_is_forgotten",
        "DID NOT RAISE",
        "an owner of an organization that was gone went on being one for half an hour",
    ),
    Breakage(
        "seen-by-number",
        "S10",
        "A change of access counts as known once its number was seen, and no restore is noticed",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_access_feed.py",
                "if self._history not in {None, head[1]}:",
                "if False:",
            ),
            Edit(
                f"{ACCOUNTS}/sessions/_access_feed.py",
                "if (number, changed_at) not in self._seen:",
                "if number not in {seen for seen, _ in self._seen}:",
            ),
        ),
        f"{RESTORED}::test_a_session_that_is_ended_after_a_restore_is_refused_though_its_number_was_heard_before",
        "assert False",
        "whoever signed out after a restore was let in for as long as their access token lived",
    ),
    Breakage(
        "job-log-unredacted",
        "S12",
        "What a handler writes of its job is kept as it is",
        (
            Edit(
                "packages/singr-jobs/src/singr_jobs/running/attempts/_logbook.py",
                "    text = redact_text(plain_text(message, limit=_LOOKED_AT))[:MESSAGE_LENGTH]\n",
                "    text = plain_text(message, limit=MESSAGE_LENGTH)\n",
            ),
        ),
        "packages/singr-jobs/tests/test_jobs_logs.py::test_lines_are_kept_by_attempt_in_order_and_without_secrets",
        "token=abcdefghijklmnop",
        "the token that a handler wrote into its log was shown to whoever read the job",
    ),
    Breakage(
        "tokens-logged",
        "S12",
        "The part of a refresh token that proves it is written into the log",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_refresh.py",
                "            token = parse_token(TokenKind.REFRESH, presented.reveal())\n",
                "            token = parse_token(TokenKind.REFRESH, presented.reveal())\n"
                "            import sys\n\n            print(presented.reveal(), file=sys.stderr)\n",
            ),
        ),
        f"{SECRETS}::test_secrets_are_in_no_log_store_metric_or_dump",
        "refresh token in log",
        "the refresh token stood in the process's output",
    ),
    Breakage(
        "totp-secret-unsealed",
        "S13",
        "The secret of an authenticator app is stored as it is",
        (
            Edit(
                f"{ACCOUNTS}/factors/_totp.py",
                "        sealed = self._sealer.seal(secret.reveal().encode(), context=totp_context(user_id))\n",
                "        sealed = secret.reveal().encode()\n",
            ),
            Edit(
                f"{ACCOUNTS}/factors/_totp.py",
                "        secret = Secret(self._sealer.open(sealed, context=totp_context(user_id)).decode())\n",
                "        secret = Secret(sealed.decode())\n",
            ),
        ),
        f"{SECRETS}::test_secrets_are_in_no_log_store_metric_or_dump",
        "totp secret in dump",
        "whoever had a copy of the database could have made codes",
    ),
    Breakage(
        "links-pass-by-the-second-factor",
        "S17",
        "A sign-in link is asked for no second factor",
        (
            Edit(
                f"{ACCOUNTS}/sign_in/_completion.py",
                "        if offered and not await self._devices.trusts(session, user_id, client):\n",
                '        if offered and first_factor == "password":\n',
            ),
        ),
        f"{TESTS}::test_no_first_factor_signs_in_alone_once_a_second_one_is_on[totp]",
        "'second_factor_required'",
        "the link alone signed in",
    ),
    Breakage(
        "change-confirmed-in-any-session",
        "S20",
        "A change of address is confirmed by whoever is signed in and has its link",
        (
            Edit(
                f"{ACCOUNTS}/people/_email_change.py",
                "        if found.user_id != user_id or asked_in != str(session_id):\n",
                "        if not asked_in:\n",
            ),
        ),
        f"{PROOFS}::test_session_that_asked_confirms_and_the_old_address_takes_the_account_back",
        "assert 200 == 403",
        "a session that had asked for nothing moved the account",
    ),
    Breakage(
        "purposes-mixed",
        "S20",
        "The link of a change of address is taken for the one of a registration, and acts by itself",
        (
            Edit(
                f"{ACCOUNTS}/people/_email_verification.py",
                "        _refuse_change(token)\n",
                "",
            ),
            Edit(
                f"{ACCOUNTS}/proofs/_one_time.py",
                '    "email_change": TokenKind.EMAIL_CHANGE,',
                '    "email_change": TokenKind.EMAIL,',
            ),
            Edit(
                f"{ACCOUNTS}/proofs/_one_time.py",
                "WHERE token_hash = :token_hash AND kind = :kind AND",
                "WHERE token_hash = :token_hash AND kind <> 'k' || :kind AND",
            ),
        ),
        f"{PROOFS}::test_stranger_who_clicks_the_mail_of_a_mistyped_address_gets_no_account",
        "assert 200 in",
        "a click by a stranger was taken for a verification",
    ),
    Breakage(
        "no-reserve",
        "S22",
        "Links are limited by the account alone, whoever asks",
        (
            Edit(
                f"{ACCOUNTS}/sign_in/_guard.py",
                '        if fresh and await self.has_room(f"{name}.reserve", subject, RESERVE):\n'
                "            return True\n",
                "",
            ),
            Edit(
                f"{ACCOUNTS}/sign_in/_guard.py",
                '        if lasts and await self.has_room(f"{name}.renewal", subject, RateLimit(1, lasts)):\n'
                "            return True\n",
                "",
            ),
        ),
        "packages/singr-auth/tests/test_auth_asking.py"
        "::test_owner_gets_a_link_that_works_after_strangers_asked_for_everything",
        "GuardLimitedError: Too many tries",
        "five links that strangers had asked for were all that the owner could have had",
    ),
    Breakage(
        "second-factor-looked-for-too-early",
        "S17",
        "Whether a second factor is on is looked up without holding the account",
        (
            Edit(
                f"{ACCOUNTS}/sessions/_opening.py",
                '                await connection.execute(_LOCK, {"user_id": proof.user_id})\n',
                "",
            ),
        ),
        "packages/singr-auth/tests/test_auth_opening.py"
        "::test_second_factor_that_is_turned_on_while_the_sign_in_waits_is_asked_for",
        "assert isinstance(",
        "the password alone signed in, just after a second factor was turned on",
    ),
    Breakage(
        "phone-is-both-factors",
        "S17",
        "A new password by text message goes to any verified number, also to one that gets the second factor's codes",
        (
            Edit(
                f"{ACCOUNTS}/sign_in/_recovery.py",
                "user.phone_verified_at is not None and not both\n",
                "user.phone_verified_at is not None\n",
            ),
        ),
        "packages/singr-auth/tests/test_auth_reset_by_sms.py::test_phone_that_is_the_second_factor_chooses_no_password",
        "ResetPasswordBySms(",
        "whoever held the phone chose the password, and got the code behind it",
    ),
    Breakage(
        "hashes-on-the-loop",
        "R17",
        "Passwords are hashed on the event loop, in place of threads of their own",
        (
            Edit(
                f"{AUTH}/_passwords/_hashing.py",
                "        fits, renewed = await self._run(self._verify, phc, password)\n",
                "        fits, renewed = self._verify(phc, password)\n",
            ),
        ),
        "tests/faults/test_faults_sign_ins.py::test_sign_ins_at_once_leave_other_routes_quick_and_memory_bounded[40-None]",
        "others were answered",
        "other routes waited for every hash",
    ),
)
