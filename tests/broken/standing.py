"""Breakages of the row about standing: what a credential, a session or an invitation may do once its maker may not."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

AUTH = "packages/singr-auth/src/singr_auth"
ACCOUNTS = f"{AUTH}/accounts"
POWER = "apps/api/tests/test_api_power.py"

FALLEN = "tests/security/test_standing.py::test_key_and_invitation_of_whoever_fell_do_no_more_than_they_may"

SCHEDULE = "apps/api/tests/test_api_schedules.py::test_a_schedule_stops_with_the_standing_of_who_made_it[removed]"

BREAKAGES = (
    Breakage(
        "keys-outlive-standing",
        "S19",
        "A key does what it was made for, whatever became of its holder",
        (
            Edit(
                f"{ACCOUNTS}/credentials/_credentials.py",
                "secret_sealed, effective_scopes(organization_id, holder_id, scopes),\n",
                "secret_sealed, scopes,\n",
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
        "schedules-outlive-standing",
        "S19",
        "A schedule makes its jobs, whatever became of its maker",
        (
            Edit(
                "packages/singr-jobs/src/singr_jobs/schedules/_sql.py",
                "{_STANDS} AS stands",
                "true AS stands",
            ),
        ),
        SCHEDULE,
        "assert 1 == 0",
        "the schedule of somebody who was removed went on sending",
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
        "answered 201",
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
)
