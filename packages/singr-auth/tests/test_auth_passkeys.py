"""Passkeys against a real database: registered once, named, removed, and never by anybody else."""

import asyncio
import hashlib
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from authenticator import decode, encode
from passkeys_support import SYNCED, Holders
from sqlalchemy import text

from singr_auth.accounts import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    Passkey,
    ReauthenticationRequiredError,
    SecurityNotice,
    TokenRefusedError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_dev.clock import VirtualClock


async def test_passkey_is_registered_named_listed_renamed_and_removed_and_its_owner_told(
    holder: Holders, notifier: RecordingNotifier
) -> None:
    jane = await holder(flags=SYNCED, aaguid=UUID(int=5).bytes)
    made = await jane.add()
    assert (made.name, made.synced, made.aaguid, made.last_used_at) == ("Firefox on Linux", True, UUID(int=5), None)
    second = await jane.add(name="  Key on the ring ")
    assert [each.name for each in await jane.accounts.passkeys.list(jane.user.id)] == [
        "Firefox on Linux",
        "Key on the ring",
    ]
    renamed = await jane.accounts.passkeys.rename(jane.user.id, second.id, "Blue key", jane.client)
    assert (renamed.id, renamed.name) == (second.id, "Blue key")
    await jane.accounts.passkeys.remove(jane.user.id, jane.session_id, made.id, jane.client)
    assert await jane.accounts.passkeys.list(jane.user.id) == (renamed,)
    told = [(notice.event, notice.to.email, notice.device) for notice in notifier.of(SecurityNotice)]
    assert told == [
        (event, jane.user.email, "Firefox on Linux") for event in ("passkey_added", "passkey_added", "passkey_removed")
    ]
    assert [each["name"] for each in await jane.events("passkey.added")] == ["Firefox on Linux", "Key on the ring"]
    assert await jane.events("passkey.renamed") == [{"passkey_id": str(second.id), "name": "Blue key"}]
    assert [each["passkey_id"] for each in await jane.events("passkey.removed")] == [str(made.id)]


async def test_options_name_the_person_and_exclude_what_they_have(holder: Holders) -> None:
    jane = await holder()
    await jane.add()
    options = await jane.accounts.passkeys.options(jane.user.id, jane.session_id)
    assert options["user"]["id"] == encode(jane.user.id.bytes)
    assert options["user"]["name"] == jane.user.email
    assert [each["id"] for each in options["excludeCredentials"]] == [encode(jane.device.credentials[0].id)]


async def test_every_change_wants_a_recent_proof_of_presence(clock: VirtualClock, holder: Holders) -> None:
    jane = await holder()
    passkey = await jane.add()
    made = jane.device.create(await jane.accounts.passkeys.options(jane.user.id, jane.session_id))
    clock.advance(minutes=15)
    with pytest.raises(ReauthenticationRequiredError):
        await jane.accounts.passkeys.options(jane.user.id, jane.session_id)
    with pytest.raises(ReauthenticationRequiredError):
        await jane.register(made)
    with pytest.raises(ReauthenticationRequiredError):
        await jane.accounts.passkeys.remove(jane.user.id, jane.session_id, passkey.id, jane.client)
    assert len(await jane.accounts.passkeys.list(jane.user.id)) == 1


async def test_registration_options_are_good_once_even_fifty_times_at_once(holder: Holders) -> None:
    jane = await holder()
    made = jane.device.create(await jane.accounts.passkeys.options(jane.user.id, jane.session_id))
    results = await asyncio.gather(*(jane.register(made) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(each, Passkey) for each in results) == 1
    assert sum(isinstance(each, TokenRefusedError) for each in results) == 49
    assert len(await jane.accounts.passkeys.list(jane.user.id)) == 1


async def test_registration_options_of_another_person_expired_or_of_another_kind_are_refused(
    clock: VirtualClock, holder: Holders
) -> None:
    jane, mallory = await holder(), await holder()
    for options in (
        await jane.accounts.passkeys.options(jane.user.id, jane.session_id),
        {**await jane.accounts.passkey_sign_in.options(), "rp": {"id": "localhost"}, "user": {"id": "AA"}},
    ):
        with pytest.raises(TokenRefusedError):
            await mallory.register(mallory.device.create(options))
    made = jane.device.create(await jane.accounts.passkeys.options(jane.user.id, jane.session_id))
    clock.advance(minutes=5)
    with pytest.raises(TokenRefusedError):
        await jane.register(made)


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.get"},
        {"flags": 0},
        {"crossOrigin": True},
        {"raw": b"nothing"},
    ],
)
async def test_forged_passkey_is_not_registered(holder: Holders, forged: dict[str, Any]) -> None:
    jane = await holder()
    with pytest.raises(InvalidValueError) as caught:
        await jane.add(**forged)
    assert caught.value.field == "credential"
    assert await jane.accounts.passkeys.list(jane.user.id) == ()


async def test_credential_of_somebody_else_cannot_be_registered_again(holder: Holders) -> None:
    jane, mallory = await holder(), await holder()
    await jane.add()
    with pytest.raises(ConflictError):
        await mallory.add(credential_id=jane.device.credentials[0].id)
    assert await mallory.accounts.passkeys.list(mallory.user.id) == ()
    await jane.signed_in()


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "a\u202eb"])
async def test_name_that_is_no_line_is_refused(holder: Holders, name: str) -> None:
    jane = await holder()
    passkey = await jane.add()
    with pytest.raises(InvalidValueError):
        await jane.add(name=name)
    with pytest.raises(InvalidValueError):
        await jane.accounts.passkeys.rename(jane.user.id, passkey.id, name, jane.client)


async def test_nobody_touches_the_passkeys_of_somebody_else(holder: Holders) -> None:
    jane, mallory = await holder(), await holder()
    passkey = await jane.add()
    with pytest.raises(NotFoundError):
        await mallory.accounts.passkeys.rename(mallory.user.id, passkey.id, "mine", mallory.client)
    with pytest.raises(NotFoundError):
        await mallory.accounts.passkeys.remove(mallory.user.id, mallory.session_id, passkey.id, mallory.client)
    assert await mallory.accounts.passkeys.list(mallory.user.id) == ()
    assert [each.name for each in await jane.accounts.passkeys.list(jane.user.id)] == [passkey.name]


async def test_there_is_an_end_to_how_many_one_person_has_even_at_once(
    holder: Holders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_auth.accounts.passkeys._passkeys.MOST_PASSKEYS", 3)
    jane = await holder()
    many = [jane.device.create(await jane.accounts.passkeys.options(jane.user.id, jane.session_id)) for _ in range(6)]
    results = await asyncio.gather(*(jane.register(made) for made in many), return_exceptions=True)
    assert sum(isinstance(each, Passkey) for each in results) == 3
    assert sum(isinstance(each, ConflictError) for each in results) == 3
    with pytest.raises(ConflictError):
        await jane.accounts.passkeys.options(jane.user.id, jane.session_id)


async def test_dump_of_the_tables_holds_no_challenge(holder: Holders) -> None:
    jane = await holder()
    options = await jane.accounts.passkey_sign_in.options()
    async with jane.db.platform() as session:
        dump = str((await session.execute(text("SELECT c::text FROM auth_challenges c"))).all())
    challenge = decode(options["challenge"])
    assert hashlib.sha256(challenge).hexdigest() in dump  # bytea prints as hexadecimal
    assert challenge.hex() not in dump


def test_accounts_load_without_the_extra_and_passkeys_say_what_is_missing() -> None:
    program = """
import sys
sys.modules["webauthn"] = None
from singr_auth.accounts.passkeys._ceremony import relying_party
from singr_config.testing import settings_for_tests
import singr_auth.accounts
party = relying_party(settings_for_tests().auth)
try:
    party.request_options(b"x" * 32)
except RuntimeError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "Passkeys need the extra: pip install singr-auth[passkeys]"
