"""API keys: `sk_live_`, 256 random bits in base 62, and a checksum.

A key is drawn from 2^256, so a plain SHA-256 is a safe way to store it: there is nothing to guess, and a slow password
hash would only slow the callers down (OWASP Password Storage speaks of human secrets). The checksum lets a typing slip,
or a scanner's random guess, be refused without a look into the database, and lets secret scanners recognise a leak.
"""

import hashlib
import re
from typing import Final

from singr_auth._tokens import _base62
from singr_config import HoldsSecrets, PortableError, Secret
from singr_config.constants import API_KEY_PREFIX

_RANDOM_BYTES: Final = 32
_RANDOM_WIDTH: Final = 43  # 62**43 > 2**256
_CHECKSUM_WIDTH: Final = 6
_FORM: Final = re.compile(
    rf"{re.escape(API_KEY_PREFIX)}[0-9A-Za-z]{{{_RANDOM_WIDTH}}}[0-9A-Za-z]{{{_CHECKSUM_WIDTH}}}", re.ASCII
)


class ApiKeyError(PortableError, ValueError):
    """The text is not an API key: wrong form, or a character was mistyped. Never carries the text itself."""


class ApiKey(HoldsSecrets, frozen=True):
    """A well-formed API key.

    Attributes:
        key_id: public name derived from the key (one way): for look-up, logs and lists.
        secret: the key itself.
    """

    key_id: str
    secret: Secret

    @property
    def hash(self) -> bytes:
        """The 32 bytes to store and to compare."""
        return hash_api_key(self.secret)


def new_api_key() -> ApiKey:
    """Make a key. Show `secret` once, store `key_id` and `hash`."""
    return parse_api_key(_base62.random_token(API_KEY_PREFIX, _RANDOM_BYTES, _RANDOM_WIDTH))


def hash_api_key(key: Secret) -> bytes:
    """Return the SHA-256 of the key, 32 bytes."""
    return hashlib.sha256(key.reveal().encode()).digest()


def parse_api_key(text: str) -> ApiKey:
    """Read a key as presented by a caller.

    Raises:
        ApiKeyError: it does not begin with `sk_live_`, is too short or long, or its checksum does not fit.
    """
    if not _FORM.fullmatch(text):
        raise ApiKeyError(f"An API key is {API_KEY_PREFIX} and {_RANDOM_WIDTH + _CHECKSUM_WIDTH} letters or digits.")
    if _base62.checksum(text[:-_CHECKSUM_WIDTH]) != text[-_CHECKSUM_WIDTH:]:
        raise ApiKeyError("The API key's checksum is wrong: a character is missing or mistyped.")
    digest = hashlib.sha256(b"singr-auth key id\0" + text.encode()).digest()
    return ApiKey(key_id="ak_" + _base62.encode(digest[:12], 17), secret=Secret(text))
