"""Marks: what is kept of nonces and idempotency keys.

Whatever a caller names things by, of any length, is kept as half a SHA-256: one narrow kind of row for all routes,
found by its mark and by nothing else. An organization's id is part of what is hashed, so that two never share a mark:
whoever wants another's has to find a second text for a given 128 bits.
"""

from hashlib import sha256
from typing import Final
from uuid import UUID

KEPT_HOURS: Final = 48
"""How long the first answer to a key is given again."""

# A nonce is remembered for as long as its timestamp could pass: 300 s to either side, and a minute.
NONCE_EXPIRY: Final = "now() + interval '11 minutes'"

_HALF: Final = 32


def nonce_mark(key_id: str, nonce: str) -> str:
    """The mark of a credential's nonce, as PostgreSQL reads a UUID."""
    return sha256(f"nonce\n{key_id}\n{nonce}".encode()).hexdigest()[:_HALF]


def key_mark(organization_id: UUID, name: str) -> str:
    """The mark of an organization's idempotency key."""
    return sha256(f"key\n{organization_id}\n{name}".encode()).hexdigest()[:_HALF]


def print_of(method: str, path: str, body_hash: bytes) -> str:
    """What a key is bound to: the request that it was first used for."""
    return sha256(b"%b\n%b\n%b" % (method.encode(), path.encode(), body_hash)).hexdigest()[:_HALF]
