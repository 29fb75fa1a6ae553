"""Secrets for development: made once, kept in `.singr/dev.env`, of no use anywhere else."""

import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from singr_auth import new_api_key
from singr_dev.stack._state import write_private

_HEADER = "# Made by singr-dev for this directory: development only.\n"


def development_secrets(path: Path) -> dict[str, str]:
    """The secrets of `path`; what is missing is made and kept, what is there stays."""
    kept = _read(path)
    missing: dict[str, str] = {}
    for names, make in _MAKERS.items():
        if not kept.keys() >= set(names):
            missing |= dict(zip(names, make(), strict=True))
    if missing:
        everything = kept | missing
        write_private(path, _HEADER + "".join(f"{name}={value}\n" for name, value in everything.items()))
    path.chmod(0o600)
    return kept | missing


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}


def _words() -> tuple[str]:
    return (secrets.token_urlsafe(48),)


def _api_key() -> tuple[str]:
    return (new_api_key().secret.reveal(),)


def _signing_secret() -> tuple[str]:
    return (f"whsec_{b64encode(secrets.token_bytes(24)).decode()}",)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return _one_line(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def _pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _pem(key), _one_line(public)


def _account_key() -> tuple[str]:
    return (_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),)


def _one_line(pem: bytes) -> str:
    return pem.decode().strip().replace("\n", "\\n")


_Names: TypeAlias = tuple[str, ...]
_MAKERS: Final[dict[_Names, Callable[[], _Names]]] = {
    ("JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"): _pair,
    ("X_API_KEY",): _api_key,
    ("FIREBASE_PRIVATE_KEY",): _account_key,
    ("RESEND_WEBHOOK_SECRET",): _signing_secret,
    **{(name,): _words for name in ("AUTH_SECRET", "SIGNING_SECRET", "S3_SECRET_ACCESS_KEY")},
}
