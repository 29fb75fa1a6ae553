"""Whoever types wrong codes uses up their own tries, and not the owner's."""

import pytest
from factors_support import Someone

from singr_auth.accounts import CodeRefusedError, GuardLimitedError, SignedIn


@pytest.fixture
async def guessed_at(someone: Someone) -> Someone:
    """Somebody with a second factor, whose password a stranger knows, who has used up what strangers have."""
    await someone.add_totp()
    someone.client = someone.clients()
    for _ in range(2):
        challenge = await someone.challenge()
        for _ in range(5):
            with pytest.raises(CodeRefusedError):
                await someone.verify(challenge, "totp", "000000")
    with pytest.raises(GuardLimitedError):
        await someone.verify(await someone.challenge(), "totp", "000000")
    return someone


async def test_owners_session_proves_itself_after_a_stranger_used_up_their_tries(guessed_at: Someone) -> None:
    presence = guessed_at.accounts.reauthentication
    assert await presence.by_totp(guessed_at.user_id, guessed_at.session_id, guessed_at.code(), guessed_at.client)


async def test_owner_signs_in_from_a_known_device_after_a_stranger_used_up_their_tries(someone: Someone) -> None:
    first = await someone.begin()
    assert isinstance(first, SignedIn)
    known = someone.clients(device_token=first.device_token)
    await someone.add_totp()
    challenge = await someone.challenge()
    for _ in range(5):
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, "totp", "000000")
    challenge = await someone.challenge()
    for _ in range(5):
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, "totp", "000000")
    someone.client = known
    assert await someone.verify(await someone.challenge(), "totp", someone.code())


async def test_tries_of_all_sessions_together_are_bounded(someone: Someone) -> None:
    sessions = []
    for _ in range(3):
        await someone.arrive_again()
        sessions.append(someone.session_id)
    await someone.add_totp()
    await someone.forget_limits()
    looked_at = 0
    for session_id in sessions:
        for _ in range(12):
            try:
                await someone.accounts.reauthentication.by_totp(someone.user_id, session_id, "000000", someone.client)
            except CodeRefusedError:
                looked_at += 1
            except GuardLimitedError:
                break
    assert looked_at == 20
