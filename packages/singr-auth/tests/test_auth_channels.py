"""The second factor comes by another channel than the first; what a session may do is what it has proved."""

from typing import Literal

import pytest
from factors_support import Someone
from sqlalchemy import text

from singr_auth.accounts import (
    CodeRefusedError,
    InvalidCredentialsError,
    NotAllowedError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SignedIn,
)
from singr_config import Secret

NEW_PASSWORD = Secret("quite another road to the stage")
Link = Literal["magic_link", "magic_link_sms"]


async def protected(someone: Someone, link: Link) -> None:
    """Put the channel of the link, and nothing else, behind the account."""
    if link == "magic_link":
        await someone.add("email")
    else:
        await someone.add_phone()
        await someone.add("sms")


@pytest.mark.parametrize("link", ["magic_link", "magic_link_sms"])
async def test_channel_of_the_link_is_no_second_factor_behind_it(
    someone: Someone, link: Link, password: Secret
) -> None:
    """A mailbox alone, or a phone alone, signs nobody in."""
    await protected(someone, link)
    result = await someone.begin(link)
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("password", "backup_code")
    sent = "email" if link == "magic_link" else "sms"
    with pytest.raises(NotAllowedError):
        await someone.accounts.second_factor_sign_in.send(result.challenge_token, sent, someone.client)
    flow = someone.accounts.second_factor_sign_in
    with pytest.raises(InvalidCredentialsError):
        await flow.verify_password(result.challenge_token, NEW_PASSWORD, someone.client)
    signed_in = await flow.verify_password(result.challenge_token, password, someone.client)
    claims = someone.accounts.tokens.verify(signed_in.access_token.reveal())
    assert set(claims.methods) >= {"pwd", "mfa"}


async def test_backup_code_stands_in_for_the_channel_of_the_link(someone: Someone) -> None:
    await protected(someone, "magic_link")
    challenge = await someone.challenge("magic_link")
    assert isinstance(await someone.verify(challenge, "backup_code", someone.backup_codes[0].reveal()), SignedIn)


async def test_link_says_so_where_nothing_is_left_to_prove(someone: Someone) -> None:
    await protected(someone, "magic_link")
    async with someone.db.platform() as session:
        await someone.accounts.backup_codes.drop(session, someone.user_id)
        await session.execute(text("UPDATE users SET password_hash = NULL, password_changed_at = NULL"))
    with pytest.raises(NotAllowedError, match="choose a password"):
        await someone.begin("magic_link")


async def test_password_is_no_second_factor_where_another_channel_is_left(someone: Someone, password: Secret) -> None:
    """A mailbox can change the password: behind a link it must not take an authenticator's place."""
    await someone.add_totp()
    result = await someone.begin("magic_link")
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("totp", "backup_code")
    with pytest.raises(NotAllowedError):
        await someone.accounts.second_factor_sign_in.verify_password(result.challenge_token, password, someone.client)


async def test_password_as_a_second_factor_takes_the_tries_of_its_challenge(someone: Someone, password: Secret) -> None:
    await protected(someone, "magic_link")
    challenge = await someone.challenge("magic_link")
    flow = someone.accounts.second_factor_sign_in
    for _ in range(5):
        with pytest.raises(InvalidCredentialsError):
            await flow.verify_password(challenge, NEW_PASSWORD, someone.client)
    await someone.forget_limits()
    with pytest.raises(CodeRefusedError):
        await flow.verify_password(challenge, password, someone.client)


# ---- a session from before the second factor ----------------------------------------------------------------------


async def before_the_factor(someone: Someone) -> SignedIn:
    """A session that was there before the authenticator app."""
    old = await someone.begin()
    assert isinstance(old, SignedIn)
    await someone.add_totp()
    return old


async def test_session_from_before_the_second_factor_changes_no_password(someone: Someone, password: Secret) -> None:
    old = await before_the_factor(someone)
    change = someone.accounts.recovery.change
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await change(someone.user_id, old.session_id, current=password, new=NEW_PASSWORD, client=someone.client)
    code = someone.backup_codes[0].reveal()
    await someone.accounts.reauthentication.by_backup_code(someone.user_id, old.session_id, code, someone.client)
    await change(someone.user_id, old.session_id, current=password, new=NEW_PASSWORD, client=someone.client)


@pytest.mark.parametrize("how", ["all others", "one other", "a device"])
async def test_session_from_before_the_second_factor_puts_nobody_out(someone: Someone, how: str) -> None:
    old = await before_the_factor(someone)
    accounts, who = someone.accounts, someone.user_id
    [device, *_] = await accounts.devices.list(who)
    end = {
        "all others": lambda: accounts.sessions.sign_out_everywhere(who, someone.client, keep=old.session_id),
        "one other": lambda: accounts.sessions.revoke(who, someone.session_id, someone.client, by=old.session_id),
        "a device": lambda: accounts.devices.remove(who, device.id, someone.client, by=old.session_id),
    }[how]
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await end()
    assert len(await accounts.sessions.list(who)) == 2


async def test_session_from_before_the_second_factor_may_end_itself_and_all(someone: Someone) -> None:
    old = await before_the_factor(someone)
    await someone.accounts.sessions.revoke(someone.user_id, old.session_id, someone.client, by=old.session_id)
    assert await someone.accounts.sessions.sign_out_everywhere(someone.user_id, someone.client) == 1
