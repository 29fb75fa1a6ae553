"""Devices: trusted only where their owner asked for it, until what the trust rests on changes."""

import pytest
from factors_support import Clients, Person, Someone

from singr_auth import TokenKind, new_token
from singr_auth.accounts import NotFoundError, SecondFactorRequired, SignedIn
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database
from singr_dev.clock import VirtualClock


async def test_trusted_device_skips_the_second_factor_with_its_own_token_only(
    clock: VirtualClock, someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    signed_in = await someone.verify(challenge, "totp", someone.code(), remember_device=True)
    token = signed_in.device_token
    assert token is not None
    assert isinstance(await someone.begin(device_token=token), SignedIn)
    assert isinstance(await someone.begin("magic_link", device_token=token), SignedIn)
    for foreign in (None, Secret("sdv_"), new_token(TokenKind.DEVICE).secret, signed_in.refresh_token):
        assert isinstance(await someone.begin(device_token=foreign), SecondFactorRequired)
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await other.add_totp()
    assert isinstance(await other.begin(device_token=token), SecondFactorRequired)
    clock.advance(days=30)
    assert isinstance(await someone.begin(device_token=token), SecondFactorRequired)


async def test_device_is_trusted_only_where_its_owner_asked_for_it(someone: Someone) -> None:
    await someone.add_totp()
    signed_in = await someone.verify(await someone.challenge(), "totp", someone.code())
    assert isinstance(await someone.begin(device_token=signed_in.device_token), SecondFactorRequired)


@pytest.mark.parametrize("change", ["sign_out_everywhere", "password", "added", "removed", "device", "codes"])
async def test_trust_ends_when_what_it_rests_on_changes(someone: Someone, change: str) -> None:
    await someone.add_totp()
    await someone.add("email")
    signed_in = await someone.verify(await someone.challenge(), "totp", someone.code(), remember_device=True)
    token, accounts = signed_in.device_token, someone.accounts
    assert isinstance(await someone.begin(device_token=token), SignedIn)
    if change == "sign_out_everywhere":
        await accounts.sessions.sign_out_everywhere(someone.user_id, someone.client)
    elif change == "password":
        async with someone.db.platform() as session:
            await accounts.sessions.revoke_all(
                session, someone.user_id, reason="password_changed", keep=someone.session_id
            )
    elif change == "added":
        await someone.add_phone()
        await someone.add("sms")
    elif change == "removed":
        await accounts.second_factors.remove(someone.user_id, someone.session_id, "email", someone.client)
    elif change == "device":
        devices = await accounts.devices.list(someone.user_id)
        trusted = next(device.id for device in devices if device.trusted_until is not None)
        await accounts.devices.remove(someone.user_id, trusted, someone.client)
    else:
        await someone.reset()
        assert isinstance(await someone.begin(), SignedIn)
        await someone.arrive_again()
        await someone.add_totp()
    assert isinstance(await someone.begin(device_token=token), SecondFactorRequired)


async def test_new_device_is_told_except_the_very_first_and_known_ones(someone: Someone) -> None:
    first = await someone.begin()
    assert isinstance(first, SignedIn)
    assert someone.told() == ["new_device"]
    assert first.device_token is not None
    again = await someone.begin(device_token=first.device_token)
    assert isinstance(again, SignedIn)
    assert again.device_token is None
    assert someone.told() == ["new_device"]


async def test_devices_are_listed_and_removed_by_their_owner_only(someone: Someone, person: Person) -> None:
    other = await person()
    [device] = await someone.accounts.devices.list(someone.user_id)
    assert device.device == "Firefox on Linux"
    with pytest.raises(NotFoundError):
        await someone.accounts.devices.remove(other.id, device.id, someone.client)
    await someone.accounts.devices.remove(someone.user_id, device.id, someone.client)
    with pytest.raises(NotFoundError):
        await someone.accounts.devices.remove(someone.user_id, device.id, someone.client)
    assert await someone.accounts.devices.list(someone.user_id) == ()
