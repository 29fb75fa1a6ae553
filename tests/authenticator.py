"""A passkey authenticator and its browser, in software: what they make is real, and each part of it can be forged."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

ES256, EDDSA = -7, -8
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
AnyKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def encode(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(algorithm: int = ES256) -> AnyKey:
    return ed25519.Ed25519PrivateKey.generate() if algorithm == EDDSA else ec.generate_private_key(ec.SECP256R1())


def sign(key: AnyKey, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def cose(key: AnyKey) -> bytes:
    """The public half, as COSE (RFC 9053)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return cbor2.dumps({1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()})
    numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


@dataclass
class Credential:
    """What an authenticator keeps of one passkey."""

    key: AnyKey
    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    count: int = 0


@dataclass
class SoftAuthenticator:
    """Makes passkeys and proofs, as the page of an origin would get them from `toJSON()`.

    Attributes:
        flags: presence, verification and backup, of everything that it makes.
        counts: whether it counts signatures; synchronised passkeys do not.
    """

    origin: str = "http://localhost:3000"
    flags: int = PRESENT | VERIFIED
    counts: bool = True
    algorithm: int = ES256
    aaguid: bytes = bytes(16)
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **forged: Any) -> dict[str, Any]:
        """Make a passkey. Forged: rp_id, flags, credential_id, public_key, attestation, and all of `client_data`."""
        credential = Credential(new_key(self.algorithm), options["rp"]["id"], decode(options["user"]["id"]))
        credential.id = forged.pop("credential_id", credential.id)
        flags = forged.pop("flags", self.flags) | ATTESTED
        public_key = forged.pop("public_key", cose(credential.key))
        attested = self.aaguid + len(credential.id).to_bytes(2) + credential.id + public_key
        data = authenticator_data(forged.pop("rp_id", credential.rp_id), flags, credential.count, attested)
        attestation = forged.pop("attestation", {"fmt": "none", "attStmt": {}}) | {"authData": data}
        client_data = self.client_data("webauthn.create", options["challenge"], forged)
        self.credentials.append(credential)
        response = {
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(cbor2.dumps(attestation)),
            "authenticatorData": encode(data),
            "publicKeyAlgorithm": self.algorithm,
            "transports": ["internal", "hybrid", "telepathy"],
        }
        return self.answer(credential.id, response)

    def get(self, options: dict[str, Any], credential: Credential | None = None, **forged: Any) -> dict[str, Any]:
        """Prove to hold a passkey.

        Forged: rp_id, flags, count, key, credential_id, user_handle, signature, and all of `client_data`.
        """
        credential = credential or self.choose(options)
        if self.counts:
            credential.count += 1
        count = forged.pop("count", credential.count)
        data = authenticator_data(forged.pop("rp_id", credential.rp_id), forged.pop("flags", self.flags), count)
        key = forged.pop("key", credential.key)
        credential_id = forged.pop("credential_id", credential.id)
        handle = forged.pop("user_handle", credential.user_handle)
        signature = forged.pop("signature", None)
        client_data = self.client_data("webauthn.get", options["challenge"], forged)
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(signature or sign(key, data + hashlib.sha256(client_data).digest())),
        }
        if handle is not None:
            response["userHandle"] = encode(handle)
        return self.answer(credential_id, response)

    def choose(self, options: dict[str, Any]) -> Credential:
        """The first passkey that fits the options."""
        allowed = {decode(each["id"]) for each in options.get("allowCredentials", ())}
        return next(
            each for each in self.credentials if each.rp_id == options["rpId"] and (not allowed or each.id in allowed)
        )

    def client_data(self, type_: str, challenge: str, forged: dict[str, Any]) -> bytes:
        """What the browser writes. Forged: type, challenge, origin, raw (the whole), and any further member."""
        raw: bytes | None = forged.pop("raw", None)
        if raw is not None:
            return raw
        data = {"type": type_, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data | forged, separators=(",", ":")).encode()

    @staticmethod
    def answer(credential_id: bytes, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(credential_id),
            "rawId": encode(credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


def authenticator_data(rp_id: str, flags: int, count: int, attested: bytes = b"") -> bytes:
    """Level 3, 6.1."""
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4) + attested
