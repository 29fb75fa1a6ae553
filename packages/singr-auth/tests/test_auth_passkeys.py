"""Passkeys against a real database: registered once, accepted once, and never for anybody else."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, SoftAuthenticator, decode, encode, new_key
from sqlalchemy import text

from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    CodeRefusedError,
    ConflictError,
    InvalidValueError,
    NewPasskey,
    NotAllowedError,
    NotFoundError,
    Passkey,
    PasskeyAssertion,
    PasskeyRefusedError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SecurityNotice,
    SessionEndedError,
    SignedIn,
    TokenRefusedError,
)
from singr_auth.accounts.people._users import User
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database
from singr_dev.clock import VirtualClock

Clients = Callable[..., ClientInfo]
SYNCED = PRESENT | VERIFIED | ELIGIBLE | BACKED_UP


class Holder:
    """A person, their session, and what they hold."""

    def __init__(self, accounts: Accounts, db: Database, user: User, session_id: UUID, client: ClientInfo) -> None:
        self.accounts, self.db, self.user, self.session_id, self.client = accounts, db, user, session_id, client
        self.device = SoftAuthenticator()

    async def add(self, *, name: str | None = None, **forged: Any) -> Passkey:
        options = await self.accounts.passkeys.options(self.user.id, self.session_id)
        return await self.register(self.device.create(options, **forged), name=name)

    async def register(self, made: dict[str, Any], *, name: str | None = None) -> Passkey:
        credential = msgspec.convert(made, NewPasskey)
        return await self.accounts.passkeys.add(self.user.id, self.session_id, credential, self.client, name=name)

    async def proof(self, **forged: Any) -> PasskeyAssertion:
        return msgspec.convert(
            self.device.get(await self.accounts.passkey_sign_in.options(), **forged), PasskeyAssertion
        )

    async def sign_in(self, **forged: Any) -> SignedIn | SecondFactorRequired:
        return await self.accounts.passkey_sign_in.sign_in(await self.proof(**forged), self.client)

    async def signed_in(self, **forged: Any) -> SignedIn:
        result = await self.sign_in(**forged)
        assert isinstance(result, SignedIn)
        assert result.user_id == self.user.id
        return result

    async def events(self, kind: str) -> list[dict[str, Any]]:
        async with self.db.platform() as session:
            rows = await session.execute(
                text("SELECT detail FROM security_events WHERE kind = :kind ORDER BY id"), {"kind": kind}
            )
            return [row.detail for row in rows]

    async def methods(self, session_id: UUID) -> set[str]:
        async with self.db.platform() as session:
            found = await session.scalar(text("SELECT methods FROM auth_sessions WHERE id = :id"), {"id": session_id})
            return set(cast("list[str]", found))

    async def run(self, statement: str, **values: Any) -> None:
        async with self.db.platform() as session:
            await session.execute(text(statement), values)

    async def protect(self) -> None:
        """Put a confirmed second factor behind the account."""
        await self.run(
            "INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())", id=self.user.id
        )

    async def challenge(self) -> SecondFactorRequired:
        """Begin a sign-in by password that waits for its second factor."""
        result = await self.accounts.completion.complete(self.user.id, first_factor="password", client=self.client)
        assert isinstance(result, SecondFactorRequired)
        assert "passkey" in result.methods
        return result


Holders = Callable[..., Any]


@pytest.fixture
def holder(accounts: Accounts, db: Database, person: Any, client: Clients) -> Holders:
    async def make(**traits: Any) -> Holder:
        user, where = await person(), client()
        result = await accounts.completion.complete(user.id, first_factor="password", client=where)
        assert isinstance(result, SignedIn)
        found = Holder(accounts, db, user, result.session_id, where)
        found.device = SoftAuthenticator(**traits)
        return found

    return make


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


@pytest.mark.parametrize("traits", [{}, {"counts": False, "flags": SYNCED}, {"algorithm": -8}])
async def test_passkey_that_verified_its_user_signs_in_alone_and_counts_as_both_factors(
    holder: Holders, traits: dict[str, Any]
) -> None:
    jane = await holder(**traits)
    await jane.add()
    await jane.protect()
    result = await jane.signed_in()
    kind = "swk" if traits.get("flags") == SYNCED else "hwk"
    assert await jane.methods(result.session_id) == {kind, "user", "mfa"}
    await jane.signed_in()
    [passkey] = await jane.accounts.passkeys.list(jane.user.id)
    assert passkey.last_used_at is not None


async def test_passkey_that_did_not_verify_its_user_is_one_factor(holder: Holders) -> None:
    jane = await holder(flags=PRESENT)
    await jane.add()
    assert await jane.methods((await jane.signed_in()).session_id) == {"hwk"}
    await jane.protect()
    result = await jane.sign_in()
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("email",)
    with pytest.raises(NotAllowedError):
        await jane.accounts.passkey_sign_in.second_factor_options(result.challenge_token)


async def test_sign_in_options_name_nobody_and_are_new_each_time(holder: Holders) -> None:
    jane = await holder()
    await jane.add()
    first, second = [await jane.accounts.passkey_sign_in.options() for _ in range(2)]
    assert first.pop("challenge") != second.pop("challenge")
    assert first == second
    assert first == {"rpId": "localhost", "timeout": 300_000, "allowCredentials": [], "userVerification": "preferred"}


async def test_proof_is_good_once_even_fifty_times_at_once(holder: Holders) -> None:
    jane = await holder(counts=False)
    await jane.add()
    proof = await jane.proof()
    tries = (jane.accounts.passkey_sign_in.sign_in(proof, jane.client) for _ in range(50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, SignedIn) for each in results) == 1
    assert sum(isinstance(each, TokenRefusedError) for each in results) == 49


async def test_expired_unknown_or_foreign_challenges_are_refused(clock: VirtualClock, holder: Holders) -> None:
    jane = await holder()
    await jane.add()
    with pytest.raises(TokenRefusedError):
        await jane.sign_in(challenge=encode(b"never given to anyone" * 2))
    presence = await jane.accounts.passkeys.presence_options(jane.user.id)
    with pytest.raises(TokenRefusedError):
        await jane.sign_in(challenge=presence["challenge"])
    proof = await jane.proof()
    clock.advance(minutes=5)
    with pytest.raises(TokenRefusedError):
        await jane.accounts.passkey_sign_in.sign_in(proof, jane.client)


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://evil.example"},
        {"origin": "nul \x00, surrogate \ud800"},
        {"type": "webauthn.create"},
        {"rp_id": "evil.example"},
        {"flags": VERIFIED},
        {"flags": PRESENT | VERIFIED | ELIGIBLE},
        {"key": new_key()},
        {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
        {"user_handle": None},
        {"user_handle": b"somebody else"},
        {"user_handle": UUID(int=1).bytes},
        {"credential_id": b"unknown"},
        {"crossOrigin": True},
        {"raw": b"{}"},
        {"count": 0},
    ],
)
async def test_forged_proof_signs_nobody_in_and_uses_nothing_but_its_challenge(
    holder: Holders, forged: dict[str, Any]
) -> None:
    jane = await holder()
    await jane.add()
    await jane.signed_in()
    sessions = len(await jane.events("sign_in.succeeded"))
    with pytest.raises(PasskeyRefusedError) as caught:
        await jane.sign_in(**forged)
    assert str(caught.value) == str(PasskeyRefusedError())
    assert len(await jane.events("sign_in.succeeded")) == sessions
    await jane.signed_in()


async def test_refused_proof_is_in_the_trail_with_its_reason(holder: Holders) -> None:
    jane = await holder()
    passkey = await jane.add()
    with pytest.raises(PasskeyRefusedError):
        await jane.sign_in(origin="https://evil.example\x00")
    [event] = await jane.events("passkey.refused")
    assert event["passkey_id"] == str(passkey.id)
    assert "evil.example\\x00" in event["reason"]


async def test_counter_that_does_not_rise_is_refused_and_in_the_trail(holder: Holders) -> None:
    jane = await holder()
    passkey = await jane.add()
    for _ in range(3):
        await jane.signed_in()
    for count in (3, 2, 0):
        with pytest.raises(PasskeyRefusedError):
            await jane.sign_in(count=count)
    assert [each["passkey_id"] for each in await jane.events("passkey.counter_regressed")] == [str(passkey.id)] * 3
    jane.device.credentials[0].count = 10
    await jane.signed_in()


async def test_copies_of_a_key_that_are_used_at_the_same_time_do_not_both_get_in(holder: Holders) -> None:
    jane = await holder()
    await jane.add()
    proofs = [await jane.proof(count=7) for _ in range(8)]
    tries = (jane.accounts.passkey_sign_in.sign_in(proof, jane.client) for proof in proofs)
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, SignedIn) for each in results) == 1
    assert sum(isinstance(each, PasskeyRefusedError) for each in results) == 7


@pytest.mark.parametrize("status", ["disabled", "pending"])
async def test_unusable_account_is_refused_as_an_unknown_passkey_is(holder: Holders, status: str) -> None:
    jane = await holder()
    await jane.add()
    await jane.run("UPDATE users SET status = :status WHERE id = :id", status=status, id=jane.user.id)
    with pytest.raises(PasskeyRefusedError):
        await jane.sign_in()
    with pytest.raises(SessionEndedError):
        await jane.accounts.passkeys.options(jane.user.id, jane.session_id)


async def test_removed_passkey_does_not_sign_in(holder: Holders) -> None:
    jane = await holder()
    passkey = await jane.add()
    await jane.accounts.passkeys.remove(jane.user.id, jane.session_id, passkey.id, jane.client)
    with pytest.raises(PasskeyRefusedError):
        await jane.sign_in()


async def test_second_factor_names_the_persons_own_passkeys_and_finishes_the_sign_in(holder: Holders) -> None:
    jane, mallory = await holder(flags=PRESENT), await holder()
    await jane.add()
    await mallory.add()
    await jane.protect()
    challenge = await jane.challenge()
    options = await jane.accounts.passkey_sign_in.second_factor_options(challenge.challenge_token)
    assert [each["id"] for each in options["allowCredentials"]] == [encode(jane.device.credentials[0].id)]
    answer = msgspec.convert(jane.device.get(options, user_handle=None), PasskeyAssertion)
    result = await jane.accounts.passkey_sign_in.second_factor(challenge.challenge_token, answer, jane.client)
    assert result.user_id == jane.user.id
    assert await jane.methods(result.session_id) == {"pwd", "hwk", "mfa"}
    with pytest.raises(TokenRefusedError):
        await jane.accounts.passkey_sign_in.second_factor(challenge.challenge_token, answer, jane.client)


async def test_second_factor_is_good_once_even_five_times_at_once(holder: Holders) -> None:
    jane = await holder(counts=False)
    await jane.add()
    await jane.protect()
    challenge = await jane.challenge()
    options = await jane.accounts.passkey_sign_in.second_factor_options(challenge.challenge_token)
    answer = msgspec.convert(jane.device.get(options), PasskeyAssertion)
    tries = (
        jane.accounts.passkey_sign_in.second_factor(challenge.challenge_token, answer, jane.client) for _ in range(5)
    )
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, SignedIn) for each in results) == 1


async def test_second_factor_of_another_person_sign_in_or_challenge_is_refused_and_tries_are_counted(
    holder: Holders,
) -> None:
    jane, mallory = await holder(), await holder()
    await jane.add()
    await mallory.add()
    await jane.protect()
    challenge, other = await jane.challenge(), await jane.challenge()
    flow = jane.accounts.passkey_sign_in
    options = await flow.second_factor_options(challenge.challenge_token)
    [mallorys] = mallory.device.credentials
    answers = [
        mallory.device.get(options, mallorys),
        mallory.device.get(options, mallorys, user_handle=jane.user.id.bytes),
        jane.device.get(options, key=mallorys.key),
        jane.device.get(await flow.second_factor_options(other.challenge_token)),
        jane.device.get(await flow.options()),
    ]
    for answer in answers:
        with pytest.raises(PasskeyRefusedError):
            await flow.second_factor(
                challenge.challenge_token, msgspec.convert(answer, PasskeyAssertion), mallory.client
            )
    right = msgspec.convert(jane.device.get(options), PasskeyAssertion)
    with pytest.raises(CodeRefusedError):  # five tries were taken
        await flow.second_factor(challenge.challenge_token, right, jane.client)
    with pytest.raises(TokenRefusedError):
        await flow.second_factor_options(Secret("sch_nothing"))


async def test_presence_is_proved_by_a_passkey_that_verifies_its_user_and_by_no_other(
    clock: VirtualClock, holder: Holders
) -> None:
    jane = await holder()
    await jane.add()
    flow = jane.accounts.passkeys

    async def prove(**forged: Any) -> None:
        options = await flow.presence_options(jane.user.id)
        assert options["userVerification"] == "required"
        answer = msgspec.convert(jane.device.get(options, **forged), PasskeyAssertion)
        await flow.prove_presence(jane.user.id, jane.session_id, answer, jane.client)

    clock.advance(minutes=15)
    with pytest.raises(PasskeyRefusedError):
        await prove(flags=PRESENT)
    with pytest.raises(ReauthenticationRequiredError):
        await flow.options(jane.user.id, jane.session_id)
    await prove()
    await flow.options(jane.user.id, jane.session_id)
    assert await jane.events("reauthentication.succeeded")


async def test_presence_is_not_proved_by_the_passkey_or_the_options_of_another(holder: Holders) -> None:
    jane, mallory = await holder(), await holder()
    await jane.add()
    await mallory.add()
    options = await jane.accounts.passkeys.presence_options(jane.user.id)
    answer = msgspec.convert(mallory.device.get(options, mallory.device.credentials[0]), PasskeyAssertion)
    with pytest.raises(TokenRefusedError):
        await mallory.accounts.passkeys.prove_presence(mallory.user.id, mallory.session_id, answer, mallory.client)
    with pytest.raises(PasskeyRefusedError):
        await jane.accounts.passkeys.prove_presence(jane.user.id, jane.session_id, answer, jane.client)


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
