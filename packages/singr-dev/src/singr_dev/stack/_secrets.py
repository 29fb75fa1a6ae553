"""Secrets for development: made once, kept in `.singr/dev.env`, of no use anywhere else."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from singr_auth import new_api_key
from singr_dev.stack._state import write_private

_HEADER = "# Made by singr-dev for this directory: development only.\n"


def development_secrets(path: Path) -> dict[str, str]:
    """The secrets of `path`; what is missing is made and kept, what is there stays."""
    kept = _read(path)
    missing = {name: value for name, value in _made().items() if name not in kept}
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


def _made() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "AUTH_SECRET": secrets.token_urlsafe(48),
        "JWT_PRIVATE_KEY": _one_line(private),
        "JWT_PUBLIC_KEY": _one_line(public),
        "X_API_KEY": new_api_key().secret.reveal(),
        "SIGNING_SECRET": secrets.token_urlsafe(48),
        "S3_SECRET_ACCESS_KEY": secrets.token_urlsafe(48),
    }


def _one_line(pem: bytes) -> str:
    return pem.decode().strip().replace("\n", "\\n")
