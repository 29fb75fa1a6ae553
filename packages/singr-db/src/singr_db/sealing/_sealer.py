"""Seal what must not lie in the database in clear, and find it again without opening it."""

import hmac
import os
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from singr_config import Secret
from singr_db._errors import SealError

_FORMAT = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_NONCES_AT_ONCE = 256
_TAG_BYTES = 16
_PREFIX_BYTES = len(_FORMAT) + _KEY_ID_BYTES
_SMALLEST = _PREFIX_BYTES + _NONCE_BYTES + _TAG_BYTES


class _Keys(msgspec.Struct, frozen=True):
    prefix: bytes
    cipher: AESGCM
    fingerprint: bytes


class _Nonces:
    """Random nonces, of which the system is asked for some hundreds at a time; none is ever given twice."""

    __slots__ = ("_ready",)

    def __init__(self) -> None:
        self._ready: list[bytes] = []
        os.register_at_fork(after_in_child=self._forget)

    def next(self) -> bytes:
        """Return one that nobody had before: threads take turns at the list, and a fork's child begins with its own."""
        try:
            return self._ready.pop()
        except IndexError:
            drawn = os.urandom(_NONCE_BYTES * _NONCES_AT_ONCE)
            first, *self._ready = (drawn[at : at + _NONCE_BYTES] for at in range(0, len(drawn), _NONCE_BYTES))
            return first

    def _forget(self) -> None:
        self._ready = []


_nonces = _Nonces()


class Sealer:
    """Authenticated encryption for columns, and keyed fingerprints to search by.

    AES-256-GCM (NIST SP 800-38D) with keys derived from `secret` by HKDF-SHA256 (RFC 5869). A sealed value is
    format (1 byte), key id (4), nonce (12, random), ciphertext, tag (16): 33 bytes more than what went in.
    Random nonces bound one secret to 2**32 seals: rotate it before. Safe to share between threads and forks.

    Args:
        secret: what new values are sealed with; 32 random bytes or more, in any form.
        previous: secrets of before, whose values can still be opened and found.

    Raises:
        ValueError: a secret is empty.
    """

    def __init__(self, secret: Secret, previous: Sequence[Secret] = ()) -> None:
        self._current = _derive(secret)
        # The current key comes last, so that it wins when it is named among the previous ones as well.
        every = [*(_derive(old) for old in reversed(previous)), self._current]
        self._by_prefix = {keys.prefix: keys for keys in every}

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt `plaintext` for one purpose, such as `"messages.recipient"`; only the same context opens it."""
        keys = self._current
        nonce = _nonces.next()
        return keys.prefix + nonce + keys.cipher.encrypt(nonce, plaintext, keys.prefix + context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` returned for the same context.

        Raises:
            SealError: altered, cut short, sealed for another context, or with a secret that is not given here.
        """
        prefix = bytes(sealed[:_PREFIX_BYTES])
        if len(sealed) < _SMALLEST or prefix[:1] != _FORMAT:
            raise SealError("this is not a sealed value")
        keys = self._by_prefix.get(prefix)
        if keys is None:
            raise SealError("sealed with a secret that is not known here: name it among the previous secrets")
        nonce, ciphertext = sealed[_PREFIX_BYTES : _PREFIX_BYTES + _NONCE_BYTES], sealed[_PREFIX_BYTES + _NONCE_BYTES :]
        try:
            return keys.cipher.decrypt(bytes(nonce), bytes(ciphertext), prefix + context.encode())
        except InvalidTag:
            raise SealError("the sealed value was altered, or was sealed for another context") from None

    def knows(self, sealed: bytes) -> bool:
        """Tell whether a value names a secret that is given here."""
        return bytes(sealed[:_PREFIX_BYTES]) in self._by_prefix

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether a value is sealed with the current secret; if not, open it and seal it anew."""
        return sealed[:_PREFIX_BYTES] == self._current.prefix

    def fingerprint(self, text: str, *, context: str) -> bytes:
        """Give the 32 bytes to store beside a sealed text, to find it by: HMAC-SHA256 (RFC 2104) under a key."""
        return _fingerprint(self._current, text, context)

    def fingerprints(self, text: str, *, context: str) -> tuple[bytes, ...]:
        """Give the fingerprints to search for: that of the current secret first, then those of the previous ones."""
        older = [keys for keys in reversed(self._by_prefix.values()) if keys is not self._current]
        return tuple(_fingerprint(keys, text, context) for keys in (self._current, *older))


def _fingerprint(keys: _Keys, text: str, context: str) -> bytes:
    name = context.encode()
    # The length goes first, so that no two pairs of context and text read the same.
    return hmac.digest(keys.fingerprint, len(name).to_bytes(4) + name + text.encode(), "sha256")


def _derive(secret: Secret) -> _Keys:
    if not secret:
        raise ValueError("sealing needs a secret: set AUTH_SECRET")
    material = secret.reveal().encode()

    def derived(purpose: str, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=f"singr-db sealer {purpose}".encode()).derive(material)

    return _Keys(
        prefix=_FORMAT + derived("key id", _KEY_ID_BYTES),
        cipher=AESGCM(derived("encryption", 32)),
        fingerprint=derived("fingerprint", 32),
    )
