"""A token that verifies, and what forgeries of it are made with by hand, since no library would make them."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from singr_auth import AccessTokenError, AccessTokenVerifier, KeyRing
from singr_config import Secret

NOW = 1_795_357_200
ISSUER, AUDIENCE = "system.singrkaraoke.com", "api"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
RING = KeyRing.from_pem(Secret(PRIVATE))
VERIFIER = AccessTokenVerifier(RING, issuer=ISSUER, audience=AUDIENCE)
HEADER: dict[str, Any] = {"alg": "ES256", "kid": RING.signing_kid, "typ": "at+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": str(UUID(int=1)),
    "client_id": "singr",
    "jti": str(UUID(int=3)),
    "iat": NOW - 10,
    "exp": NOW + 890,
    "sid": str(UUID(int=2)),
    "auth_time": NOW - 20,
    "amr": ["pwd"],
}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(message: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def token(
    header: dict[str, Any] | bytes | None = None,
    claims: dict[str, Any] | bytes | None = None,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """A token with these members, genuinely signed unless told otherwise."""
    first = header if isinstance(header, bytes) else json.dumps(HEADER if header is None else header).encode()
    second = claims if isinstance(claims, bytes) else json.dumps(CLAIMS if claims is None else claims).encode()
    message = f"{b64(first)}.{b64(second)}".encode()
    return f"{message.decode()}.{b64(sign(message) if sign else raw_signature(message, key))}"


def refusal(text: str, *, now: float = NOW) -> str:
    with pytest.raises(AccessTokenError) as caught:
        VERIFIER.verify(text, now=now)
    assert caught.value.message == str(caught.value)
    assert len(text) < 20 or text not in caught.value.message
    return caught.value.code


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}
