"""A new password by text message: to a verified number that is no second factor, once, and without a word too many."""

from typing import Any

import pytest
from factors_support import PHONE, Someone
from sqlalchemy import text

from singr_auth.accounts import (
    GuardLimitedError,
    InvalidValueError,
    ResetPasswordBySms,
    SecondFactorRequired,
    SecurityNotice,
    TokenRefusedError,
)
from singr_config import Secret
from singr_dev.clock import VirtualClock

NEW_PASSWORD = Secret("quite another road to the microphone")


async def asked(someone: Someone) -> ResetPasswordBySms:
    """The message that comes of asking."""
    await someone.accounts.recovery.forgot_by_sms(PHONE, someone.client)
    return someone.notifier.last(ResetPasswordBySms)


async def test_reset_by_sms_goes_to_a_verified_number_once_and_ends_all_sessions(someone: Someone) -> None:
    await someone.add_phone()
    notice = await asked(someone)
    assert (notice.phone, notice.user_id, notice.expires_in) == (PHONE, someone.user_id, 900)
    await someone.accounts.recovery.reset(notice.token, NEW_PASSWORD, someone.client)
    async with someone.db.platform() as session:
        living = await session.scalar(text("SELECT count(*) FROM auth_sessions WHERE revoked_at IS NULL"))
        told = (
            await session.scalars(
                text("SELECT detail ->> 'channel' FROM security_events WHERE kind = 'password.reset_requested'")
            )
        ).all()
    assert (living, told) == (0, ["sms"])
    assert someone.notifier.last(SecurityNotice).event == "password_changed"
    with pytest.raises(TokenRefusedError):
        await someone.accounts.recovery.reset(notice.token, NEW_PASSWORD, someone.client)


async def test_nothing_goes_to_a_number_that_nobody_has_verified(someone: Someone) -> None:
    await someone.add_phone()
    async with someone.db.platform() as session:
        await session.execute(text("UPDATE users SET phone_verified_at = NULL"))
    await someone.accounts.recovery.forgot_by_sms(PHONE, someone.client)
    await someone.accounts.recovery.forgot_by_sms("+15555550199", someone.client)
    assert someone.notifier.of(ResetPasswordBySms) == []
    with pytest.raises(InvalidValueError):
        await someone.accounts.recovery.forgot_by_sms("555", someone.client)


async def test_phone_that_is_the_second_factor_chooses_no_password(someone: Someone) -> None:
    """It would be both factors: before it is asked for, and where it became one since."""
    await someone.add_phone()
    early = await asked(someone)
    someone.notifier.clear()
    await someone.add("sms")
    await someone.accounts.recovery.forgot_by_sms(PHONE, someone.client)
    assert someone.notifier.of(ResetPasswordBySms) == []
    with pytest.raises(TokenRefusedError):
        await someone.accounts.recovery.reset(early.token, NEW_PASSWORD, someone.client)


async def test_authenticator_stands_behind_a_password_that_a_phone_chose(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add_totp()
    await someone.accounts.recovery.reset((await asked(someone)).token, NEW_PASSWORD, someone.client)
    async with someone.db.platform() as session:
        email = await session.scalar(text("SELECT email FROM users WHERE id = :id"), {"id": someone.user_id})
    result = await someone.accounts.password_sign_in.sign_in(email or "", NEW_PASSWORD, someone.clients())
    assert isinstance(result, SecondFactorRequired)


async def test_link_is_void_once_the_number_is_gone(someone: Someone) -> None:
    await someone.add_phone()
    notice = await asked(someone)
    await someone.accounts.phones.remove(someone.user_id, someone.session_id, someone.client)
    with pytest.raises(TokenRefusedError):
        await someone.accounts.recovery.reset(notice.token, NEW_PASSWORD, someone.client)


async def test_link_lasts_a_quarter_of_an_hour(someone: Someone, clock: VirtualClock) -> None:
    await someone.add_phone()
    notice = await asked(someone)
    clock.advance(seconds=901)
    await clock.settle()
    with pytest.raises(TokenRefusedError):
        await someone.accounts.recovery.reset(notice.token, NEW_PASSWORD, someone.client)


async def test_asking_costs_the_same_statements_for_known_and_unknown_numbers_and_five_an_hour(
    someone: Someone, noting: Any
) -> None:
    await someone.add_phone()
    counts = []
    for phone in (PHONE, "+15555550199"):
        with noting() as statements:
            await someone.accounts.recovery.forgot_by_sms(phone, someone.client)
        counts.append([line.replace("ROLLBACK TO", "RELEASE") for line in statements])
    assert counts[0] == counts[1]
    for _ in range(4):
        await someone.accounts.recovery.forgot_by_sms(PHONE, someone.client)
    with pytest.raises(GuardLimitedError):
        await someone.accounts.recovery.forgot_by_sms(PHONE, someone.client)
    assert len(someone.notifier.of(ResetPasswordBySms)) == 5
