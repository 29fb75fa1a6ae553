"""Keys in PEM, as far as they can be judged without a cryptography library."""

import base64
import binascii
import re

from singr_config.values._kinds import Kind
from singr_config.values._secret import Secret

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END ([A-Z0-9 ]+)-----\s*")
# DER of the object identifier prime256v1 (RFC 5480): every ES256 key in PKCS #8, SEC 1 or SPKI names its curve
_P256 = bytes.fromhex("06082a8648ce3d030107")
_POINT_LENGTH = 65
_PRIVATE_WITH_POINT = 100
_PRIVATE_LABELS = ("PRIVATE KEY", "EC PRIVATE KEY")
_RSA_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY")


def signing_key() -> Kind:
    """An ES256 private key: PKCS #8 or SEC 1, unencrypted."""

    def parse(value: str) -> Secret:
        pem = _unfold(value)
        label, der = _open(pem)
        if label not in _PRIVATE_LABELS:
            raise ValueError(f"must be a private key, not {label.lower()}")
        _check_curve(der)
        return Secret(pem)

    return Kind("PEM, secret", parse, secret=True, empty=Secret(""))


def account_key() -> Kind:
    """An RSA private key of a service account, PKCS #8 or PKCS #1, as its JSON file holds it."""

    def parse(value: str) -> Secret:
        pem = _unfold(value)
        label, _ = _open(pem)
        if label not in _RSA_LABELS:
            raise ValueError(f"must be an RSA private key, not {label.lower()}")
        return Secret(pem)

    return Kind("PEM, secret", parse, secret=True, empty=Secret(""))


def verifying_key() -> Kind:
    """An ES256 public key: SubjectPublicKeyInfo."""

    def parse(value: str) -> str:
        pem = _unfold(value)
        label, der = _open(pem)
        if label in _PRIVATE_LABELS:
            raise ValueError("holds a private key: give the public one, and make a new pair if this one was shown")
        if label != "PUBLIC KEY":
            raise ValueError(f"must be a public key, not {label.lower()}")
        _check_curve(der)
        return pem

    return Kind("PEM", parse)


def verifying_keys() -> Kind:
    """ES256 public keys, one PEM after the other; commas between them are allowed."""

    def parse(value: str) -> tuple[str, ...]:
        text = _unfold(value)
        if _PEM.sub("", text).strip(", \n"):
            raise ValueError("must be public keys in PEM, one after the other, and nothing between them but commas")
        return tuple(dict.fromkeys(one.parse(found[0]) for found in _PEM.finditer(text)))

    one = verifying_key()
    return Kind("PEM, one or more", parse, write="".join)


def are_a_pair(private: Secret, public: str) -> bool:
    """Whether two ES256 keys belong together; True as well where the private key does not carry its public point."""
    _, private_der = _open(private.reveal())
    _, public_der = _open(public)
    carries_point = len(private_der) >= _PRIVATE_WITH_POINT
    return not carries_point or public_der[-_POINT_LENGTH:] in private_der


def _unfold(value: str) -> str:
    # Hosts that take one line only carry newlines as the two characters \n
    return value.replace("\\r", "").replace("\\n", "\n").replace("\r\n", "\n").strip() + "\n"


def _open(pem: str) -> tuple[str, bytes]:
    found = _PEM.fullmatch(pem)
    if found is None or found[1] != found[3]:
        if "ENCRYPTED" in pem:
            raise ValueError("must be a key without a passphrase")
        raise ValueError("must be PEM, from -----BEGIN to its -----END, with real newlines or \\n between its lines")
    if "ENCRYPTED" in found[1]:
        raise ValueError("must be a key without a passphrase")
    try:
        return found[1], base64.b64decode("".join(found[2].split()), validate=True)
    except binascii.Error:
        raise ValueError("is PEM whose content is damaged: copy it again, whole") from None


def _check_curve(der: bytes) -> None:
    if _P256 not in der:
        raise ValueError("must be an ES256 key, that is an EC key on the curve P-256 (prime256v1)")
