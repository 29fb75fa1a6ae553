"""The relying party judges what authenticators make: real ones pass, and every forgery is refused."""

import secrets
from typing import Any
from uuid import UUID

import cbor2
import msgspec
import pytest
from authenticator import (
    BACKED_UP,
    EDDSA,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    SoftAuthenticator,
    cose,
    encode,
    new_key,
    sign,
)
from cryptography.hazmat.primitives.asymmetric import ec

from singr_auth.accounts.passkeys._ceremony import CeremonyError, KnownCredential, MadeCredential
from singr_auth.accounts.passkeys._forms import NewPasskey, PasskeyAssertion, from_base64url
from singr_auth.accounts.passkeys._webauthn import WebAuthn

USER = UUID("01920000-0000-7000-8000-00000000a001")
ORIGINS = ("https://singrkaraoke.com", "https://customer.singrkaraoke.com")
CEREMONY = WebAuthn(rp_id="singrkaraoke.com", rp_name="Singr", origins=ORIGINS)


def made(authenticator: SoftAuthenticator, **forged: Any) -> MadeCredential:
    challenge = secrets.token_bytes(32)
    options = CEREMONY.creation_options(challenge, user_id=USER, name="jane@example.org", display_name="J", exclude=())
    return CEREMONY.made(msgspec.convert(authenticator.create(options, **forged), NewPasskey), challenge)


def holder(**traits: Any) -> SoftAuthenticator:
    return SoftAuthenticator(**{"origin": ORIGINS[0]} | traits)


def proof(authenticator: SoftAuthenticator, asked: bytes, /, **forged: Any) -> PasskeyAssertion:
    return msgspec.convert(authenticator.get(CEREMONY.request_options(asked), **forged), PasskeyAssertion)


def test_creation_options_ask_for_a_discoverable_verified_key_without_attestation_and_name_what_is_there() -> None:
    known = [KnownCredential(b"\x01" * 16, ("internal", "unheard-of")), KnownCredential(b"\x02" * 16)]
    options = CEREMONY.creation_options(b"c" * 32, user_id=USER, name="a@b.example", display_name="Ada", exclude=known)
    assert options["rp"] == {"name": "Singr", "id": "singrkaraoke.com"}
    assert options["user"] == {"id": encode(USER.bytes), "name": "a@b.example", "displayName": "Ada"}
    assert options["challenge"] == encode(b"c" * 32)
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["excludeCredentials"] == [
        {"id": encode(b"\x01" * 16), "type": "public-key", "transports": ["internal"]},
        {"id": encode(b"\x02" * 16), "type": "public-key"},
    ]
    assert {each["alg"] for each in options["pubKeyCredParams"]} == {-7, -8, -257}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("algorithm", [-7, EDDSA])
def test_real_passkey_is_taken_and_proves_itself(algorithm: int, origin: str) -> None:
    authenticator = holder(algorithm=algorithm, origin=origin, flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP)
    credential = made(authenticator)
    assert credential.credential_id == authenticator.credentials[0].id
    assert credential.transports == ("hybrid", "internal")
    assert (credential.aaguid, credential.backup_eligible, credential.backed_up) == (None, True, True)
    challenge = secrets.token_bytes(32)
    answer = CEREMONY.proved(proof(authenticator, challenge), challenge, credential.public_key, verified=True)
    assert (answer.credential_id, answer.sign_count) == (credential.credential_id, 1)
    assert (answer.user_verified, answer.backup_eligible, answer.backed_up) == (True, True, True)


def test_model_of_the_authenticator_is_kept_and_self_attestation_taken() -> None:
    aaguid = UUID("adce0002-35bc-c60a-648b-0b25f1f05503")
    assert made(holder(aaguid=aaguid.bytes)).aaguid == aaguid


def test_verification_of_the_user_is_told_and_demanded_where_it_is_required() -> None:
    authenticator = holder(flags=PRESENT)
    credential = made(authenticator)
    challenge = secrets.token_bytes(32)
    assertion = proof(authenticator, challenge)
    assert not CEREMONY.proved(assertion, challenge, credential.public_key).user_verified
    with pytest.raises(CeremonyError, match="verification is required"):
        CEREMONY.proved(assertion, challenge, credential.public_key, verified=True)


OFF_CURVE = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32})
PACKED_LIE = {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"\x30\x06\x02\x01\x01\x02\x01\x01"}}


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"challenge": encode(b"x" * 32)}, "another challenge"),
        ({"challenge": ""}, "another challenge"),
        ({"challenge": 7}, "malformed"),
        ({"type": "webauthn.get"}, "client data type"),
        ({"origin": "https://singrkaraoke.com.evil.example"}, "origin"),
        ({"origin": "https://evil.example"}, "origin"),
        ({"origin": "http://singrkaraoke.com"}, "origin"),
        ({"origin": ["https://singrkaraoke.com"]}, "origin"),
        ({"crossOrigin": True}, "inside another site"),
        ({"topOrigin": "https://evil.example"}, "inside another site"),
        ({"rp_id": "evil.example"}, "RP ID hash"),
        ({"flags": VERIFIED}, "presence"),
        ({"flags": PRESENT | BACKED_UP}, "backed up"),
        ({"raw": b"{"}, "malformed"),
        ({"raw": b"\xff\xfe"}, "malformed"),
        ({"raw": b"[" * 6000}, "malformed"),
        ({"raw": b"null"}, "malformed"),
        ({"attestation": {"fmt": "unheard-of", "attStmt": {}}}, "refused"),
        ({"attestation": {"fmt": "none", "attStmt": {"sig": b"x"}}}, "refused"),
        ({"attestation": {"fmt": ["none"], "attStmt": {}}}, "refused"),
        ({"attestation": PACKED_LIE}, "refused"),
        ({"public_key": b""}, "refused"),
        ({"public_key": OFF_CURVE}, "refused"),
        ({"public_key": cbor2.dumps({1: 2, 3: -999, -1: 1, -2: b"x", -3: b"y"})}, "refused"),
        ({"public_key": b"\x81" * 3000}, "refused"),
        ({"public_key": cbor2.dumps(cbor2.loads(cose(new_key())) | {9: b"x" * 4000})}, "key is too long"),
    ],
)
def test_forged_making_is_refused(forged: dict[str, Any], why: str) -> None:
    with pytest.raises(CeremonyError, match=why):
        made(holder(), **forged)


def test_credential_id_of_1023_bytes_is_taken_and_a_longer_one_refused() -> None:
    assert len(made(holder(), credential_id=b"i" * 1023).credential_id) == 1023
    with pytest.raises(msgspec.ValidationError):
        made(holder(), credential_id=b"i" * 1024)


@pytest.mark.parametrize("cut", [0, 1, 36, 37, 54, 60, 120])
def test_making_that_is_cut_short_is_refused(cut: int) -> None:
    authenticator, challenge = holder(), secrets.token_bytes(32)
    options = CEREMONY.creation_options(challenge, user_id=USER, name="a@b.example", display_name="A", exclude=())
    credential = authenticator.create(options)
    whole = cbor2.loads(from_base64url(credential["response"]["attestationObject"]))
    whole["authData"] = whole["authData"][:cut]
    credential["response"]["attestationObject"] = encode(cbor2.dumps(whole))
    with pytest.raises(CeremonyError):
        CEREMONY.made(msgspec.convert(credential, NewPasskey), challenge)


def test_answer_that_names_another_credential_than_it_made_is_refused() -> None:
    authenticator, challenge = holder(), secrets.token_bytes(32)
    options = CEREMONY.creation_options(challenge, user_id=USER, name="a@b.example", display_name="A", exclude=())
    credential = authenticator.create(options) | {"id": encode(b"o" * 16), "rawId": encode(b"o" * 16)}
    with pytest.raises(CeremonyError, match="another credential"):
        CEREMONY.made(msgspec.convert(credential, NewPasskey), challenge)


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"challenge": encode(b"x" * 32)}, "another challenge"),
        ({"type": "webauthn.create"}, "client data type"),
        ({"origin": "https://evil.example"}, "origin"),
        ({"origin": "https://singrkaraoke.com/"}, "origin"),
        ({"origin": "https://singrkaraoke.com:444"}, "origin"),
        ({"origin": None}, "origin"),
        ({"crossOrigin": True}, "inside another site"),
        ({"rp_id": "evil.example"}, "RP ID hash"),
        ({"flags": VERIFIED}, "not present"),
        ({"key": new_key()}, "signature"),
        ({"key": new_key(EDDSA)}, "signature"),
        ({"signature": b"\x00" * 64}, "signature"),
        ({"signature": b"\x30\x06\x02\x01\x00\x02\x01\x00"}, "signature"),
        ({"raw": b"{}"}, "malformed"),
    ],
)
def test_forged_proof_is_refused(forged: dict[str, Any], why: str) -> None:
    authenticator = holder()
    credential = made(authenticator)
    challenge = secrets.token_bytes(32)
    with pytest.raises(CeremonyError, match=why):
        CEREMONY.proved(proof(authenticator, challenge, **forged), challenge, credential.public_key)


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
def test_proof_with_one_altered_bit_is_refused(part: str) -> None:
    authenticator = holder()
    credential, challenge = made(authenticator), secrets.token_bytes(32)
    answer = authenticator.get(CEREMONY.request_options(challenge))
    raw = bytearray(from_base64url(answer["response"][part]))
    raw[-1 if part == "authenticatorData" else len(raw) // 2] ^= 1
    answer["response"][part] = encode(bytes(raw))
    with pytest.raises(CeremonyError):
        CEREMONY.proved(msgspec.convert(answer, PasskeyAssertion), challenge, credential.public_key)


def test_unknown_credential_is_refused_however_it_signs() -> None:
    authenticator, challenge = holder(), secrets.token_bytes(32)
    made(authenticator)
    with pytest.raises(CeremonyError):
        CEREMONY.proved(proof(authenticator, challenge), challenge, None)


def test_key_of_another_credential_does_not_verify() -> None:
    authenticator, challenge = holder(), secrets.token_bytes(32)
    made(authenticator)
    with pytest.raises(CeremonyError, match="signature"):
        CEREMONY.proved(proof(authenticator, challenge), challenge, cose(new_key()))


def test_self_attested_making_is_taken() -> None:
    # Level 3, 5.1.3: with conveyance "none" a client may pass self attestation on
    import hashlib  # noqa: PLC0415 — only here

    authenticator, challenge = holder(), secrets.token_bytes(32)
    options = CEREMONY.creation_options(challenge, user_id=USER, name="a@b.example", display_name="A", exclude=())
    credential = authenticator.create(options)
    whole = cbor2.loads(from_base64url(credential["response"]["attestationObject"]))
    key = authenticator.credentials[0].key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signed = whole["authData"] + hashlib.sha256(from_base64url(credential["response"]["clientDataJSON"])).digest()
    whole |= {"fmt": "packed", "attStmt": {"alg": -7, "sig": sign(key, signed)}}
    credential["response"]["attestationObject"] = encode(cbor2.dumps(whole))
    assert CEREMONY.made(msgspec.convert(credential, NewPasskey), challenge).aaguid is None


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "Y Q", "+/", "Y\n", "é", "YQ\x00"])
def test_only_canonical_base64url_is_decoded(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)
