"""Codes of second factors: each good once, tries counted before they are compared."""

import asyncio
from typing import Any, Literal

import pytest
from codes import STEP, begun_step
from factors_support import PHONE, Clients, Make, Person, Someone, Verifier, run

from singr_auth.accounts import (
    Accounts,
    CodeByEmail,
    CodeBySms,
    CodeRefusedError,
    ConflictError,
    GuardLimitedError,
    GuardUnavailableError,
    SignedIn,
    TemporarilyUnavailableError,
    TokenRefusedError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import RedisSettings, Secret
from singr_config.clock import clock
from singr_db import Database, Sealer
from singr_dev.clock import VirtualClock


async def test_totp_code_is_accepted_once(someone: Someone) -> None:
    await someone.add_totp()
    code = someone.code()
    await someone.verify(await someone.challenge(), "totp", code)
    challenge = await someone.challenge()
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "totp", code)
    with pytest.raises(CodeRefusedError):  # nor one of a step before
        await someone.verify(challenge, "totp", someone.code(-1))
    await someone.verify(challenge, "totp", someone.code(1))


async def test_confirming_code_does_not_sign_in_as_well(someone: Someone) -> None:
    await someone.add_totp()
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "totp", someone.code(-1))


async def test_fifty_concurrent_uses_of_one_totp_code_sign_in_once(someone: Someone) -> None:
    await someone.add_totp()
    challenges = [await someone.challenge() for _ in range(50)]
    code = someone.code()
    guard = someone.accounts.guard
    real = guard.limit

    async def unlimited(name: str, subject: str, limit: Any) -> None:
        if name != "second_factor.verify":
            await real(name, subject, limit)

    guard.limit = unlimited  # type: ignore[method-assign] # the limit would hide the race
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "totp", code) for challenge in challenges), return_exceptions=True
    )
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes} == {SignedIn, CodeRefusedError}


async def test_fifty_concurrent_tries_at_one_challenge_take_five(someone: Someone, monkeypatch: Any) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    compared = 0
    match = someone.accounts.totp.match

    def counted(*args: Any, **options: Any) -> int:
        nonlocal compared
        compared += 1
        return match(*args, **options)

    async def unlimited(*_: Any) -> None:
        return None

    monkeypatch.setattr(someone.accounts.totp, "match", counted)
    monkeypatch.setattr(someone.accounts.guard, "limit", unlimited)
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "totp", "000000") for _ in range(50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {CodeRefusedError}
    assert compared == 5
    with pytest.raises(CodeRefusedError) as refused:
        await someone.verify(challenge, "totp", someone.code())
    assert refused.value.attempts_left == 0


async def test_ten_tries_in_a_quarter_of_an_hour_are_all_over_all_processes(
    someone: Someone, make_accounts: Make
) -> None:
    await someone.add_totp()
    await someone.forget_limits()
    processes = [someone.accounts, *(make_accounts() for _ in range(3))]
    challenges = [await someone.challenge() for _ in range(8)]
    outcomes = await asyncio.gather(
        *(
            processes[number % 4].second_factor_sign_in.verify(
                challenges[number % 8], "totp", "000000", someone.clients(address=f"203.0.113.{number}")
            )
            for number in range(40)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, CodeRefusedError) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, GuardLimitedError) for outcome in outcomes) == 30
    await someone.forget_limits()
    await someone.verify(await someone.challenge(), "totp", someone.code())  # nobody is locked out for good


async def test_no_code_is_compared_while_tries_cannot_be_counted(someone: Someone, make_accounts: Make) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    cut_off = make_accounts(redis=RedisSettings(url=Secret("redis://127.0.0.1:1/0")))
    with pytest.raises(GuardUnavailableError):
        await cut_off.second_factor_sign_in.verify(challenge, "totp", someone.code(), someone.client)
    with pytest.raises(GuardUnavailableError):
        await cut_off.second_factor_sign_in.send(challenge, "email", someone.client)
    await someone.verify(challenge, "totp", someone.code())


async def test_code_by_mail_and_by_sms_sign_in_once(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("email")
    await someone.add("sms")
    for method, kind in (("email", CodeByEmail), ("sms", CodeBySms)):
        someone.notifier.clear()
        challenge = await someone.challenge()
        assert await someone.accounts.second_factor_sign_in.send(challenge, method, someone.client) == 300
        code = someone.notifier.last(kind).code.reveal()
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        with pytest.raises(CodeRefusedError) as refused:
            await someone.verify(challenge, method, wrong)
        assert refused.value.attempts_left == 4
        signed_in = await someone.verify(challenge, method, f"{code[:3]} {code[3:]}")
        assert "mfa" in someone.accounts.tokens.verify(signed_in.access_token.reveal()).methods
        with pytest.raises(TokenRefusedError):
            await someone.verify(challenge, method, code)


async def test_code_of_one_challenge_channel_or_time_is_none_of_another(clock: VirtualClock, someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("email")
    await someone.add("sms")
    step = someone.accounts.second_factor_sign_in
    first, second = await someone.challenge(), await someone.challenge()
    await step.send(first, "email", someone.client)
    code = someone.notifier.last(CodeByEmail).code.reveal()
    for challenge, method in ((second, "email"), (first, "sms")):
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, method, code)
    await step.send(first, "email", someone.client)
    newer = someone.notifier.last(CodeByEmail).code.reveal()
    if newer != code:
        with pytest.raises(CodeRefusedError):
            await someone.verify(first, "email", code)
    clock.advance(minutes=5)
    with pytest.raises(CodeRefusedError):
        await someone.verify(first, "email", newer)


async def test_five_codes_an_hour_are_sent_to_a_user(someone: Someone) -> None:
    await someone.add("email")
    step = someone.accounts.second_factor_sign_in
    challenges = [await someone.challenge() for _ in range(4)]
    outcomes = await asyncio.gather(
        *(step.send(challenges[number % 4], "email", someone.clients()) for number in range(20)),
        return_exceptions=True,
    )
    assert sum(outcome == 300 for outcome in outcomes) == 5
    assert len(someone.notifier.of(CodeByEmail)) == 5
    assert sum(isinstance(outcome, GuardLimitedError) for outcome in outcomes) == 15


async def test_new_codes_do_not_give_new_tries(someone: Someone) -> None:
    await someone.add("email")
    challenge = await someone.challenge()
    step = someone.accounts.second_factor_sign_in
    for _ in range(5):
        await step.send(challenge, "email", someone.client)
        await someone.forget_limits()
        code = someone.notifier.last(CodeByEmail).code.reveal()
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, "email", f"{(int(code) + 1) % 1_000_000:06}")
    with pytest.raises(TokenRefusedError):
        await step.send(challenge, "email", someone.client)


async def test_verification_service_sends_and_checks_outside_any_transaction(
    someone: Someone, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await someone.add_phone()
    await someone.add("verify")
    challenge = await someone.challenge()
    step = someone.accounts.second_factor_sign_in
    with pytest.raises(CodeRefusedError):  # nothing was sent yet
        await someone.verify(challenge, "verify", verifier.code)
    open_transactions: list[int] = []
    start = verifier.start

    async def watched(phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        [(there,)] = await run(
            someone.db,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'",
        )
        open_transactions.append(there)
        await start(phone, channel=channel)

    monkeypatch.setattr(verifier, "start", watched)
    await step.send(challenge, "verify", someone.client)
    assert (verifier.started, open_transactions) == ([PHONE], [0])
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "verify", "000000")
    assert isinstance(await someone.verify(challenge, "verify", verifier.code), SignedIn)


async def test_verification_service_that_is_away_says_so_and_opens_nothing(
    someone: Someone, verifier: Verifier
) -> None:
    await someone.add_phone()
    await someone.add("verify")
    challenge = await someone.challenge()
    verifier.away = True
    with pytest.raises(TemporarilyUnavailableError):
        await someone.accounts.second_factor_sign_in.send(challenge, "verify", someone.client)
    with pytest.raises(TemporarilyUnavailableError):
        await someone.verify(challenge, "verify", verifier.code)
    verifier.away = False
    await someone.accounts.second_factor_sign_in.send(challenge, "verify", someone.client)
    await someone.verify(challenge, "verify", verifier.code)


async def test_backup_code_signs_in_once_tells_how_many_are_left_and_its_owner(someone: Someone) -> None:
    await someone.add_totp()
    someone.notifier.clear()
    code = someone.backup_codes[0].reveal()
    signed_in = await someone.verify(await someone.challenge(), "backup_code", f"{code[:4]}-{code[4:].lower()}")
    assert signed_in.backup_codes_left == 9
    assert "backup_code_used" in someone.told()
    assert await someone.events("backup_code%") == ["backup_code.used"]
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "backup_code", code)


async def test_one_backup_code_fifty_times_at_once_has_one_winner(
    someone: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await someone.add_totp()
    challenges = [await someone.challenge() for _ in range(50)]

    async def unlimited(*_: Any) -> None:
        return None

    monkeypatch.setattr(someone.accounts.guard, "limit", unlimited)
    code = someone.backup_codes[3].reveal()
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "backup_code", code) for challenge in challenges), return_exceptions=True
    )
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeRefusedError) for outcome in outcomes) == 49


async def test_backup_code_of_another_person_opens_nothing(
    someone: Someone, make_accounts: Make, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await someone.add_totp()
    await other.add_totp()
    with pytest.raises(CodeRefusedError):
        await other.verify(await other.challenge(), "backup_code", someone.backup_codes[0].reveal())


async def test_new_backup_codes_replace_the_old_ones_and_their_owner_is_told(someone: Someone) -> None:
    factors = someone.accounts.second_factors
    with pytest.raises(ConflictError):
        await factors.replace_backup_codes(someone.user_id, someone.session_id, someone.client)
    await someone.add_totp()
    new = await factors.replace_backup_codes(someone.user_id, someone.session_id, someone.client)
    assert not {code.reveal() for code in new} & {code.reveal() for code in someone.backup_codes}
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "backup_code", someone.backup_codes[0].reveal())
    await someone.verify(await someone.challenge(), "backup_code", new[0].reveal())
    assert "backup_codes_replaced" in someone.told()


async def test_codes_and_secrets_hold_while_auth_secret_is_being_replaced(
    someone: Someone, make_accounts: Make, db: Database, sealer: Sealer, settings: Any
) -> None:
    await someone.add_totp()
    await someone.add("email")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "email", someone.client)
    rotated = Sealer(Secret("another secret, which takes the place of the one before"), (settings.auth.secret,))
    sections = someone.accounts.settings
    after = Accounts(
        db,
        rotated,
        someone.accounts.limiter,
        someone.notifier,
        settings=sections,
        metrics=someone.accounts.metrics,
    )
    try:
        code = someone.notifier.last(CodeByEmail).code.reveal()
        await after.second_factor_sign_in.verify(challenge, "email", code, someone.client)
        await after.second_factor_sign_in.verify(await someone.challenge(), "totp", someone.code(), someone.client)
        backup = someone.backup_codes[0].reveal()
        await after.second_factor_sign_in.verify(await someone.challenge(), "backup_code", backup, someone.client)
    finally:
        after.close()


async def test_code_that_went_to_the_number_of_before_opens_nothing(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("sms")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "sms", someone.client)
    old = someone.notifier.last(CodeBySms).code.reveal()
    await someone.add_phone("+15555550188")
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "sms", old)


def test_codes_of_tests_are_made_well_inside_a_step():
    almost_over = round((STEP - 0.001 - clock.time() % STEP) * 1e9)
    with clock.moved(lambda: almost_over), begun_step():
        assert clock.time() % STEP < STEP / 2
