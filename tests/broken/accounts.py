"""Breakages of the rows about accounts."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

AUTH = "packages/singr-auth/src/singr_auth"
ACCOUNTS = f"{AUTH}/accounts"
TESTS = "tests/security/test_accounts.py"
SECRETS = "tests/security/test_account_secrets.py"
PROOFS = "tests/security/test_proofs.py"

POWER = "apps/api/tests/test_api_power.py"

FALLEN = "tests/security/test_standing.py::test_key_and_invitation_of_whoever_fell_do_no_more_than_they_may"

REUSED = f"{TESTS}::test_reused_refresh_token_ends_its_family_for_good"
REVOKED = f"{TESTS}::test_old_access_token_is_refused_by_every_process_within_a_second"

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
        f"{TESTS}::test_two_tabs_inside_the_grace_window_both_stay_signed_in",
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
        f"{TESTS}::test_guesses_are_bounded_over_processes_and_forwarded_addresses_and_the_victim_gets_in",
        "assert 1",
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
        f"{TESTS}::test_tokens_of_another_kind_or_altered_are_no_access_tokens",
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
        "keys-outlive-standing",
        "S19",
        "A key does what it was made for, whatever became of its holder",
        (
            Edit(
                f"{ACCOUNTS}/credentials/_credentials.py",
                "effective_scopes(organization_id, holder_id, scopes),\n           expires_at\n",
                "scopes, expires_at\n",
            ),
            Edit(
                f"{ACCOUNTS}/organizations/_actor.py",
                "SELECT effective_scopes(organization_id, holder_id, scopes) AS scopes FROM service_credentials",
                "SELECT scopes FROM service_credentials",
            ),
        ),
        f"{FALLEN}[demoted]",
        "assert 200 in",
        "the key of a demoted owner made its holder owner again",
    ),
    Breakage(
        "power-by-one-factor",
        "S19",
        "A session of one factor hands power on, where the account has two",
        (Edit(f"{ACCOUNTS}/organizations/_actor.py", "        if not self.whole:\n", "        if not self:\n"),),
        "packages/singr-auth/tests/test_auth_power.py"
        "::test_session_of_one_factor_where_two_are_on_hands_no_power_on[invite an owner]",
        "DID NOT RAISE",
        "a session from before the second factor invited an owner",
    ),
    Breakage(
        "platform-by-one-factor",
        "S19",
        "The gate does not ask whoever acts with a role on the platform what their session proved",
        (Edit("apps/api/src/singr_api/admission/policy.py", "return platform or not (", "return not ("),),
        f"{POWER}::test_platform_role_is_used_by_whole_sessions_alone_on_every_route",
        "open to one factor",
        "an operator's session from before the second factor read and used everything",
    ),
    Breakage(
        "answers-kept-for-anybody",
        "S19",
        "What a session proved is asked by the work alone, which a kept answer does without",
        (
            Edit(
                "apps/api/src/singr_api/admission/gate.py",
                "        if asked and not whole:\n",
                "        if asked and not asked:\n",
            ),
            Edit(
                "apps/api/src/singr_api/admission/gate.py",
                'return key if key is None or whole else f"{key} of one factor"',
                "return key",
            ),
        ),
        f"{POWER}::test_answer_that_is_kept_is_not_given_again_to_a_session_of_one_factor[a key]",
        "201",
        "a session of one factor was given the secret of a key again",
    ),
    Breakage(
        "revocation-of-one-key",
        "S19",
        "A key is revoked alone, without the keys that it made",
        (Edit(f"{ACCOUNTS}/credentials/_revocation.py", "made.created_by = line.key_id", "false"),),
        "packages/singr-auth/tests/test_auth_revocation.py::test_undo_revokes_keys_that_the_thiefs_key_made",
        "assert [",
        "the key that the thief's key had made was still in force after the undo",
    ),
    Breakage(
        "predecessors-forgotten",
        "S19",
        "A key is revoked without those whose place it took",
        (
            Edit(
                f"{ACCOUNTS}/credentials/_revocation.py",
                "        WHERE :predecessors\n",
                "        WHERE :predecessors AND false\n",
            ),
        ),
        "packages/singr-auth/tests/test_auth_revocation.py"
        "::test_revoking_a_successor_takes_what_its_predecessors_made_and_sent[a person-0]",
        "assert [",
        "the key that the rotated key had made was still in force",
    ),
    Breakage(
        "successors-of-thieves",
        "S19",
        "A key is revoked without the successor that it made by itself",
        (
            Edit(
                f"{ACCOUNTS}/credentials/_revocation.py",
                "ON made.created_by = line.key_id\n",
                "ON made.created_by = line.key_id\n"
                "            AND NOT EXISTS (SELECT FROM service_credentials o WHERE o.replaced_by = made.key_id)\n",
            ),
        ),
        "packages/singr-auth/tests/test_auth_revocation.py"
        "::test_revoking_a_key_takes_the_successor_that_it_made_by_itself",
        "assert [",
        "the thief went on with the successor",
    ),
    Breakage(
        "invitations-outlive-keys",
        "S19",
        "An invitation is asked for its own time alone, and not whether its key is in force",
        (
            Edit(
                f"{ACCOUNTS}/organizations/_invitations.py",
                'STANDS: Final = "invitation_stands(i.organization_id, i.invited_by, i.invited_with, i.role_id)"',
                'STANDS: Final = "true"',
            ),
        ),
        "packages/singr-auth/tests/test_auth_revocation.py::test_invitation_ends_with_the_key_that_sent_it",
        "assert not True",
        "the invitation of an expired key was still open",
    ),
    Breakage(
        "joining-unseen",
        "S19",
        "Whoever joins an organization waits for nobody who leaves it",
        (
            Edit(
                f"{ACCOUNTS}/organizations/_invitations.py",
                "        await self.hold(session, token)\n",
                "",
            ),
        ),
        "packages/singr-auth/tests/test_auth_at_once.py"
        "::test_organization_that_somebody_joins_while_its_only_owner_goes_keeps_one_or_ends"
        "[delete the account-customer_staff]",
        "members and no owner",
        "the organization was left with somebody of the staff alone",
    ),
    Breakage(
        "invitations-outlive-standing",
        "S19",
        "An invitation stands, whatever became of whoever sent it",
        (
            Edit(
                f"{ACCOUNTS}/organizations/_invitations.py",
                'STANDS: Final = "invitation_stands(i.organization_id, i.invited_by, i.invited_with, i.role_id)"',
                'STANDS: Final = "true"',
            ),
            Edit(
                f"{ACCOUNTS}/organizations/_consequences.py",
                "AND NOT invitation_stands(organization_id, invited_by, invited_with, role_id)",
                "AND false",
            ),
        ),
        f"{FALLEN}[demoted]",
        "the invitation still opens",
        "an invitation that a demoted owner's key had sent was accepted",
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
                "        sealed = self._sealer.seal(secret.reveal().encode(), context=_context(user_id))\n",
                "        sealed = secret.reveal().encode()\n",
            ),
            Edit(
                f"{ACCOUNTS}/factors/_totp.py",
                "        secret = Secret(self._sealer.open(sealed, context=_context(user_id)).decode())\n",
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
