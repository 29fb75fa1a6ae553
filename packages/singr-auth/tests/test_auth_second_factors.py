"""Second factors: behind every first one, changed only with a fresh proof of presence, sealed where they lie."""

import asyncio
from uuid import UUID

import msgspec
import pyotp
import pytest
from factors_support import PHONE, Clients, Make, Person, Someone, run

from singr_auth import TokenKind, new_token
from singr_auth.accounts import (
    CodeByEmail,
    CodeRefusedError,
    ConflictError,
    InvalidCredentialsError,
    NotAllowedError,
    NotFoundError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SessionEndedError,
    SignedIn,
    TokenRefusedError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database
from singr_dev.clock import VirtualClock


@pytest.mark.parametrize("first_factor", ["password", "magic_link", "magic_link_sms", "passkey"])
async def test_no_first_factor_signs_in_alone_once_a_second_one_is_confirmed(
    someone: Someone, first_factor: str
) -> None:
    assert isinstance(await someone.begin(first_factor), SignedIn)
    await someone.add_totp()
    result = await someone.begin(first_factor)
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("totp", "backup_code")
    [(sessions,)] = await run(someone.db, "SELECT count(*) FROM auth_sessions")
    signed_in = await someone.verify(result.challenge_token, "totp", someone.code())
    [(after,)] = await run(someone.db, "SELECT count(*) FROM auth_sessions")
    assert after == sessions + 1
    methods = someone.accounts.tokens.verify(signed_in.access_token.reveal()).methods
    assert {"otp", "mfa"} < set(methods)


async def test_passkey_that_verified_its_user_counts_as_both_factors(someone: Someone) -> None:
    await someone.add_totp()
    result = await someone.accounts.completion.complete(
        someone.user_id, first_factor="passkey", client=someone.client, strong=True
    )
    assert isinstance(result, SignedIn)
    assert someone.accounts.tokens.verify(result.access_token.reveal()).methods == ("swk", "user", "mfa")


async def test_enrolment_that_was_not_confirmed_asks_for_nothing(someone: Someone) -> None:
    await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    assert isinstance(await someone.begin(), SignedIn)
    assert (await someone.accounts.second_factors.list(someone.user_id)).items == ()
    assert someone.told() == ["new_device"]


async def test_first_confirmed_factor_gives_ten_backup_codes_and_later_ones_none(someone: Someone) -> None:
    await someone.add_totp()
    first = someone.backup_codes
    assert len({code.reveal() for code in first}) == 10
    await someone.add("email")
    assert someone.backup_codes is first
    listed = await someone.accounts.second_factors.list(someone.user_id)
    assert [view.method for view in listed.items] == ["totp", "email"]
    assert listed.backup_codes_left == 10
    assert someone.told() == ["second_factor_added"] * 2
    assert await someone.events("second_factor.%") == ["second_factor.added"] * 2


async def test_enrolment_shows_its_secret_as_text_and_as_uri_of_the_same(someone: Someone) -> None:
    enrolment = await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    parsed = pyotp.parse_uri(enrolment.uri.reveal())
    assert parsed.secret == enrolment.secret.reveal()
    assert parsed.issuer == "Singr"


async def test_replaced_enrolment_confirms_nothing_and_a_wrong_code_neither(someone: Someone) -> None:
    factors = someone.accounts.second_factors
    old = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    someone.secret = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    with pytest.raises(CodeRefusedError) as refused:
        await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(secret=old), someone.client)
    assert refused.value.attempts_left == 4
    await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(), someone.client)
    with pytest.raises(CodeRefusedError):
        await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(1), someone.client)


async def test_new_app_takes_the_place_of_the_old_one_only_when_confirmed(someone: Someone) -> None:
    await someone.add_totp()
    old = someone.secret
    factors = someone.accounts.second_factors
    new = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    await someone.verify(await someone.challenge(), "totp", someone.code())
    assert (
        await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(secret=new), someone.client) == ()
    )
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "totp", someone.code(1, secret=old))
    someone.secret = new
    await someone.verify(await someone.challenge(), "totp", someone.code(1))


async def test_challenge_is_good_once_and_others_are_refused(clock: VirtualClock, someone: Someone) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    await someone.verify(challenge, "totp", someone.code())
    for refused in (challenge, Secret("sch_"), new_token(TokenKind.CHALLENGE).secret, Secret("\0")):
        with pytest.raises(TokenRefusedError):
            await someone.verify(refused, "backup_code", someone.backup_codes[0].reveal())
    late = await someone.challenge()
    clock.advance(minutes=10)
    with pytest.raises(TokenRefusedError):
        await someone.verify(late, "totp", someone.code(1))


@pytest.mark.parametrize("change", ["revoke_all", "disable", "remove"])
async def test_challenge_ends_with_what_it_stood_for(someone: Someone, change: str) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    if change == "revoke_all":  # a new password, say
        async with someone.db.platform() as session:
            await someone.accounts.sessions.revoke_all(session, someone.user_id, reason="password_changed")
    elif change == "disable":
        await run(someone.db, "UPDATE users SET status = 'disabled' WHERE id = :id", id=someone.user_id)
    else:
        await someone.accounts.second_factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    with pytest.raises((TokenRefusedError, CodeRefusedError)):
        await someone.verify(challenge, "totp", someone.code())


async def test_password_that_was_changed_meanwhile_does_not_sign_in(someone: Someone) -> None:
    with pytest.raises(InvalidCredentialsError):
        await someone.accounts.completion.complete(
            someone.user_id, first_factor="password", client=someone.client, password_hash="$argon2id$the-old-one"
        )


async def test_channel_of_the_first_factor_is_not_asked_again(someone: Someone) -> None:
    await someone.add("email")
    only = await someone.begin("magic_link")
    assert isinstance(only, SecondFactorRequired)
    assert only.methods == ("password", "backup_code")
    await someone.add_totp()
    result = await someone.begin("magic_link")
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("totp", "backup_code")
    with pytest.raises(NotAllowedError):
        await someone.accounts.second_factor_sign_in.send(result.challenge_token, "email", someone.client)


async def test_last_factor_takes_the_backup_codes_with_it(someone: Someone) -> None:
    await someone.add_totp()
    await someone.add("email")
    factors = someone.accounts.second_factors
    await factors.remove(someone.user_id, someone.session_id, "email", someone.client)
    assert (await factors.list(someone.user_id)).backup_codes_left == 10
    await factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    assert (await factors.list(someone.user_id)).backup_codes_left == 0
    assert isinstance(await someone.begin(), SignedIn)
    with pytest.raises(NotFoundError):
        await factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    assert someone.told().count("second_factor_removed") == 2


async def test_two_first_factors_at_once_give_one_set_of_backup_codes(someone: Someone) -> None:
    await someone.add_phone()
    factors = someone.accounts.second_factors
    given = await asyncio.gather(
        *(factors.add(someone.user_id, someone.session_id, method, someone.client) for method in ("sms", "email"))
    )
    assert sorted(len(codes) for codes in given) == [0, 10]
    assert (await factors.list(someone.user_id)).backup_codes_left == 10


async def test_every_change_wants_a_proof_of_presence_that_is_fresh(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add_totp()
    await someone.grow_old()
    accounts, user, session, client = someone.accounts, someone.user_id, someone.session_id, someone.client
    for change in (
        accounts.second_factors.begin_totp(user, session),
        accounts.second_factors.confirm_totp(user, session, "000000", client),
        accounts.second_factors.add(user, session, "email", client),
        accounts.second_factors.remove(user, session, "totp", client),
        accounts.second_factors.replace_backup_codes(user, session, client),
        accounts.phones.add(user, session, "+15555550199", client),
        accounts.phones.remove(user, session, client),
    ):
        with pytest.raises(ReauthenticationRequiredError):
            await change
    await accounts.reauthentication.by_totp(user, session, someone.code(), client)
    await accounts.second_factors.add(user, session, "email", client)


async def test_presence_is_proved_by_password_code_or_backup_code(
    someone: Someone, password: Secret, make_accounts: Make
) -> None:
    await someone.add_totp()
    proof, user, session, client = (
        someone.accounts.reauthentication,
        someone.user_id,
        someone.session_id,
        someone.client,
    )
    await someone.grow_old()
    with pytest.raises(InvalidCredentialsError):
        await proof.by_password(user, session, Secret("not the password at all"), client)
    with pytest.raises(CodeRefusedError):
        await proof.by_totp(user, session, "000000", client)
    with pytest.raises(CodeRefusedError):
        await proof.by_backup_code(user, session, "AAAAAAAA", client)
    with pytest.raises(ReauthenticationRequiredError):
        await proof.require_recent(session)
    await proof.by_password(user, session, password, client)
    await proof.require_recent(session)
    await someone.grow_old()
    await proof.by_totp(user, session, someone.code(), client)
    await proof.require_recent(session)
    with pytest.raises(CodeRefusedError):
        await proof.by_totp(user, session, someone.code(), client)
    await someone.grow_old()
    _, left = await proof.by_backup_code(user, session, someone.backup_codes[0].reveal(), client)
    assert left == 9
    await proof.require_recent(session)
    await someone.accounts.sessions.sign_out(user, session, client)
    with pytest.raises(ReauthenticationRequiredError):
        await proof.require_recent(session)
    with pytest.raises(SessionEndedError):
        await proof.by_password(user, session, password, client)


async def test_presence_proved_in_one_session_says_nothing_of_another(
    someone: Someone, person: Person, password: Secret
) -> None:
    other = await person()
    with pytest.raises(SessionEndedError):
        await someone.accounts.reauthentication.by_password(other.id, someone.session_id, password, someone.client)


async def test_mail_and_sms_factors_want_a_verified_address_and_number(someone: Someone, make_accounts: Make) -> None:
    factors = someone.accounts.second_factors
    for method in ("sms", "verify"):
        with pytest.raises(ConflictError):
            await factors.add(someone.user_id, someone.session_id, method, someone.client)
    await run(someone.db, "UPDATE users SET email_verified_at = NULL")
    with pytest.raises(ConflictError):
        await factors.add(someone.user_id, someone.session_id, "email", someone.client)
    await someone.add_phone()
    with pytest.raises(NotAllowedError):  # without such a service
        await make_accounts().second_factors.add(someone.user_id, someone.session_id, "verify", someone.client)
    await someone.add("sms")
    with pytest.raises(ConflictError):
        await someone.add("sms")


async def test_administrator_resets_lost_factors_and_the_owner_is_told(someone: Someone) -> None:
    await someone.add_totp()
    someone.notifier.clear()
    removed = await someone.reset()
    assert removed == ("totp",)
    assert someone.told() == ["second_factor_removed"]
    [(actor, detail)] = await run(
        someone.db, "SELECT actor, detail FROM security_events WHERE kind = 'second_factors.reset'"
    )
    assert (actor, detail["methods"]) == ("user:the-admin", ["totp"])
    assert await someone.accounts.sessions.list(someone.user_id) == ()
    assert isinstance(await someone.begin(), SignedIn)
    with pytest.raises(NotFoundError):
        await someone.reset(UUID(int=9))


async def test_database_holds_no_usable_code_secret_or_number(someone: Someone) -> None:
    await someone.add_totp()
    await someone.add_phone()
    await someone.add("email")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "email", someone.client)
    await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    secrets = [
        someone.secret,
        PHONE,
        PHONE.removeprefix("+"),
        challenge.reveal(),
        someone.notifier.last(CodeByEmail).code.reveal(),
        *(code.reveal() for code in someone.backup_codes),
    ]
    for table in ("users", "second_factors", "backup_codes", "auth_challenges", "security_events", "devices"):
        for (row,) in await run(someone.db, f"SELECT to_jsonb(t)::text FROM {table} t"):
            for secret in secrets:
                assert f'"{secret}"' not in row
                assert len(secret) <= 6 or secret not in row
                assert secret.encode().hex() not in row


async def test_totp_secret_moved_to_another_person_s_row_opens_nothing(
    someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    await someone.add_totp()
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await other.add_totp()
    await run(
        db,
        "UPDATE second_factors SET secret_sealed = (SELECT secret_sealed FROM second_factors WHERE user_id = :from)"
        " WHERE user_id = :to",
        **{"from": someone.user_id, "to": other.user_id},
    )
    with pytest.raises(Exception, match="sealed for another context"):
        await other.verify(await other.challenge(), "totp", someone.code(1))


async def test_result_shows_no_secret_when_printed(someone: Someone) -> None:
    enrolment = await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    assert enrolment.secret.reveal() not in repr(enrolment)
    assert isinstance(enrolment, msgspec.Struct)
