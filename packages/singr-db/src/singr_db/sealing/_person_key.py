"""Keys of people: what is sealed with one can be read as long as the key is there, and never again once it is not."""

import os
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from singr_db._errors import KeyDestroyedError, SealError
from singr_db._ids import new_id
from singr_db.sealing._sealer import Sealer

_FORMAT: Final = b"\x02"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PREFIX_BYTES: Final = len(_FORMAT) + 16
_SMALLEST: Final = _PREFIX_BYTES + _NONCE_BYTES + 16


class PersonKey:
    """The key that seals what belongs to one person.

    A sealed value is format (1 byte, 2), the key's id (16), nonce (12, random), ciphertext, tag (16): AES-256-GCM (NIST
    SP 800-38D). The key itself lies in `data_keys`, sealed with the platform's secret.

    Args:
        id: its row in `data_keys`.
        key: 32 random bytes.
    """

    __slots__ = ("_cipher", "_key", "_prefix", "id")

    def __init__(self, id: UUID, key: bytes) -> None:  # noqa: A002 - as the column is called
        self.id = id
        self._key = key
        self._prefix = _FORMAT + id.bytes
        self._cipher = AESGCM(key)

    @classmethod
    def made(cls) -> Self:
        """A new one."""
        return cls(new_id(), os.urandom(_KEY_BYTES))

    @classmethod
    def unwrapped(cls, sealer: Sealer, key_id: UUID, wrapped: bytes | None) -> Self:
        """One as `data_keys` holds it.

        Raises:
            KeyDestroyedError: it is not there any more.
            SealError: it was wrapped with another secret.
        """
        if wrapped is None:
            raise KeyDestroyedError
        return cls(key_id, sealer.open(wrapped, context=_context(key_id)))

    def wrapped(self, sealer: Sealer) -> bytes:
        """The key as `data_keys` holds it."""
        return sealer.seal(self._key, context=_context(self.id))

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt for one purpose, as `Sealer.seal` does."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._prefix + nonce + self._cipher.encrypt(nonce, plaintext, self._prefix + context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` returned for the same context.

        Raises:
            SealError: altered, cut short, sealed for another context or with another key.
        """
        if bytes(sealed[:_PREFIX_BYTES]) != self._prefix or len(sealed) < _SMALLEST:
            raise SealError("this value is not sealed with this person's key")
        nonce, rest = sealed[_PREFIX_BYTES : _PREFIX_BYTES + _NONCE_BYTES], sealed[_PREFIX_BYTES + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(bytes(nonce), bytes(rest), self._prefix + context.encode())
        except InvalidTag:
            raise SealError("the sealed value was altered, or was sealed for another context") from None


def key_of(sealed: bytes) -> UUID | None:
    """The id of the person's key that a value is sealed with; None: it is the platform's."""
    if sealed[:1] != _FORMAT or len(sealed) < _SMALLEST:
        return None
    return UUID(bytes=bytes(sealed[1:_PREFIX_BYTES]))


def _context(key_id: UUID) -> str:
    # With its id, so that one person's key cannot be put in the place of another's.
    return f"data_keys.key {key_id}"
