"""Statements on `passkeys`, and on those rows of `auth_challenges` that hold a passkey's ceremony.

A ceremony's challenge is 32 random bytes, of which the row keeps the SHA-256. It is used up by one UPDATE.
"""

import datetime as dt
import hashlib
import secrets
from typing import Final, Literal
from uuid import UUID

import msgspec

from singr_auth.accounts.passkeys._ceremony import CEREMONY_SECONDS, Assertion, KnownCredential, MadeCredential
from singr_db import PlatformSession, new_id, sql_text

Ceremonies = Literal["passkey_sign_in", "passkey_registration"]


class Passkey(msgspec.Struct, frozen=True):
    """A passkey as its owner sees it.

    Attributes:
        name: the owner's name for it.
        synced: whether it may be copied to several devices, as password managers and phones do.
        aaguid: the authenticator's model, if it reports one.
    """

    id: UUID
    name: str
    synced: bool
    aaguid: UUID | None
    created_at: dt.datetime
    last_used_at: dt.datetime | None


class StoredCredential(msgspec.Struct, frozen=True):
    """What a proof is judged by."""

    id: UUID
    user_id: UUID
    credential_id: bytes
    public_key: bytes
    backup_eligible: bool
    usable: bool  # its account may be signed in to


_CHALLENGE: Final = sql_text(
    """
    INSERT INTO auth_challenges (id, token_hash, kind, user_id, expires_at)
    VALUES (:id, :hash, :kind, :user_id, now() + make_interval(secs => :seconds))
    """
)
_USE_CHALLENGE: Final = sql_text(
    """
    UPDATE auth_challenges SET used_at = now()
    WHERE token_hash = :hash AND kind = :kind AND user_id IS NOT DISTINCT FROM :user_id
        AND used_at IS NULL AND expires_at > now()
    RETURNING id
    """
)
_LIST: Final = sql_text(
    """
    SELECT id, name, backup_eligible AS synced, aaguid, created_at, last_used_at FROM passkeys
    WHERE user_id = :user_id ORDER BY id
    """
)
_KNOWN: Final = sql_text("SELECT credential_id, transports FROM passkeys WHERE user_id = :user_id ORDER BY id")
_FIND: Final = sql_text(
    """
    SELECT p.id, p.user_id, p.credential_id, p.public_key, p.backup_eligible, u.status = 'active' AS usable
    FROM passkeys p JOIN users u ON u.id = p.user_id WHERE p.credential_id = :credential_id
    """
)
_ADD: Final = sql_text(
    """
    INSERT INTO passkeys (
        id, user_id, credential_id, public_key, sign_count, name, transports, aaguid, backup_eligible, backed_up
    ) VALUES (
        :id, :user_id, :credential_id, :public_key, :sign_count, :name, :transports, :aaguid, :backup_eligible,
        :backed_up
    )
    ON CONFLICT (credential_id) DO NOTHING
    RETURNING id, name, backup_eligible AS synced, aaguid, created_at, last_used_at
    """
)
# The counter rises, or is zero for ever (Level 3, 6.1.1): what does neither is a copy of the key, or a replay.
_USE: Final = sql_text(
    """
    UPDATE passkeys SET sign_count = :sign_count, backed_up = :backed_up, last_used_at = now()
    WHERE id = :id AND (sign_count < :sign_count OR (sign_count = 0 AND :sign_count = 0))
    RETURNING id
    """
)
_RENAME: Final = sql_text(
    """
    UPDATE passkeys SET name = :name WHERE id = :id AND user_id = :user_id
    RETURNING id, name, backup_eligible AS synced, aaguid, created_at, last_used_at
    """
)
_REMOVE: Final = sql_text("DELETE FROM passkeys WHERE id = :id AND user_id = :user_id RETURNING name")


async def open_challenge(session: PlatformSession, kind: Ceremonies, user_id: UUID | None) -> bytes:
    """Begin a ceremony of this person, or of whoever comes; returns its challenge."""
    challenge = secrets.token_bytes(32)
    row = {"id": new_id(), "hash": _hash(challenge), "kind": kind, "user_id": user_id, "seconds": CEREMONY_SECONDS}
    await session.execute(_CHALLENGE, row)
    return challenge


async def use_challenge(session: PlatformSession, kind: Ceremonies, user_id: UUID | None, challenge: bytes) -> bool:
    """Use a challenge up; False where it is unknown, somebody else's, used or expired."""
    row = {"hash": _hash(challenge), "kind": kind, "user_id": user_id}
    return await session.scalar(_USE_CHALLENGE, row) is not None


async def passkeys_of(session: PlatformSession, user_id: UUID) -> list[Passkey]:
    """Return a person's passkeys, oldest first."""
    return [Passkey(**row) for row in (await session.execute(_LIST, {"user_id": user_id})).mappings()]


async def known_credentials(session: PlatformSession, user_id: UUID) -> list[KnownCredential]:
    """Return the credentials of a person, to be named in options."""
    rows = await session.execute(_KNOWN, {"user_id": user_id})
    return [KnownCredential(row.credential_id, tuple(row.transports)) for row in rows]


async def find_credential(session: PlatformSession, credential_id: bytes) -> StoredCredential | None:
    """Return the credential with this id, whoever's it is."""
    row = (await session.execute(_FIND, {"credential_id": credential_id})).mappings().one_or_none()
    return None if row is None else StoredCredential(**row)


async def add_passkey(session: PlatformSession, user_id: UUID, name: str, made: MadeCredential) -> Passkey | None:
    """Keep a new credential; None where its id is taken."""
    values = {
        "id": new_id(),
        "user_id": user_id,
        "credential_id": made.credential_id,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "name": name,
        "transports": list(made.transports),
        "aaguid": made.aaguid,
        "backup_eligible": made.backup_eligible,
        "backed_up": made.backed_up,
    }
    row = (await session.execute(_ADD, values)).mappings().one_or_none()
    return None if row is None else Passkey(**row)


async def use_passkey(session: PlatformSession, passkey_id: UUID, proof: Assertion) -> bool:
    """Note a use; False where the counter did not rise."""
    values = {"id": passkey_id, "sign_count": proof.sign_count, "backed_up": proof.backed_up}
    return await session.scalar(_USE, values) is not None


async def rename_passkey(session: PlatformSession, user_id: UUID, passkey_id: UUID, name: str) -> Passkey | None:
    """Give it another name; None where this person has no such passkey."""
    values = {"id": passkey_id, "user_id": user_id, "name": name}
    row = (await session.execute(_RENAME, values)).mappings().one_or_none()
    return None if row is None else Passkey(**row)


async def remove_passkey(session: PlatformSession, user_id: UUID, passkey_id: UUID) -> str | None:
    """Take it away and return its name; None where this person has no such passkey."""
    name: str | None = await session.scalar(_REMOVE, {"id": passkey_id, "user_id": user_id})
    return name


def _hash(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()
