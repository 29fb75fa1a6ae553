"""Proofs of passkeys: accepted once, for whom they were made, as the factor that they are."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from authenticator import ELIGIBLE, PRESENT, VERIFIED, encode, new_key
from passkeys_support import SYNCED, Holders

from singr_auth.accounts import (
    CodeRefusedError,
    NotAllowedError,
    PasskeyAssertion,
    PasskeyRefusedError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SessionEndedError,
    SignedIn,
    TokenRefusedError,
)
from singr_config import Secret
from singr_dev.clock import VirtualClock


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
