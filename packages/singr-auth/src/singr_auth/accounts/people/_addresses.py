"""Who may have an address: one account at a time, and for a week whoever just moved away from it; and a phone number.

Each change of who has one takes its lock first, under every known AUTH_SECRET: while that is changed, processes do not
agree which one is the current. So it is seen, and not found out by running into the
unique index: PostgreSQL writes the address into its log when that refuses.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from singr_auth.accounts.people._users import PHONE_CONTEXT
from singr_db import PlatformSession, Sealer, sql_text

# The key is a keyed hash of the address: the statement names nobody, and nobody else with a role in this database can
# tell which lock to hold so that an address is never registered.
_LOCK: Final = sql_text("SELECT pg_advisory_xact_lock(:key)")
_PHONE_TAKEN: Final = sql_text(
    """
    SELECT EXISTS (
        SELECT FROM users WHERE phone_hash = ANY(:hashes) AND phone_verified_at IS NOT NULL AND id <> :user_id
    )
    """
)
_TAKEN: Final = sql_text(
    """
    SELECT EXISTS (SELECT FROM users WHERE email_key = :key AND status <> 'pending' AND id <> :user_id)
        OR EXISTS (
            SELECT FROM email_changes
            WHERE email_key = :key AND user_id <> :user_id AND used_at IS NULL AND expires_at > now()
        )
    """
)
_HELD: Final = sql_text(
    "SELECT EXISTS (SELECT FROM email_changes WHERE email_key = :key AND used_at IS NULL AND expires_at > now())"
)
_MAKE_ROOM: Final = sql_text("DELETE FROM users WHERE email_key = :key AND status = 'pending' AND id <> :user_id")


async def lock_addresses(session: PlatformSession, sealer: Sealer, *keys: str | None) -> None:
    """Let nobody else change who has these addresses (`email_key`s) until the caller's transaction ends.

    Before anything else is locked in it: then two of these cannot wait in a circle.
    """
    await _lock(session, sealer, keys, context="addresses.lock")


async def lock_phone(session: PlatformSession, sealer: Sealer, phone: str) -> None:
    """Let nobody else change who has this number (E.164) until the caller's transaction ends, as `lock_addresses`."""
    await _lock(session, sealer, [phone], context="phones.lock")


async def phone_taken_from(session: PlatformSession, sealer: Sealer, phone: str, user_id: UUID) -> bool:
    """Tell whether another account has verified this number, under whichever secret."""
    hashes = list(sealer.fingerprints(phone, context=PHONE_CONTEXT))
    return bool(await session.scalar(_PHONE_TAKEN, {"hashes": hashes, "user_id": user_id}))


async def taken_from(session: PlatformSession, key: str, user_id: UUID) -> bool:
    """Tell whether this user cannot have the address: it is an account's, or held for one that may come back to it."""
    return bool(await session.scalar(_TAKEN, {"key": key, "user_id": user_id}))


async def held(session: PlatformSession, key: str) -> bool:
    """Tell whether the address is held for an account that moved away from it less than a week ago."""
    return bool(await session.scalar(_HELD, {"key": key}))


async def make_room(session: PlatformSession, key: str, user_id: UUID) -> None:
    """Remove what was registered with this address and never verified, for this user, who has just proved to own it."""
    await session.execute(_MAKE_ROOM, {"key": key, "user_id": user_id})


async def _lock(session: PlatformSession, sealer: Sealer, names: Iterable[str | None], *, context: str) -> None:
    prints = {print_ for name in names if name for print_ in sealer.fingerprints(name, context=context)}
    for number in sorted(int.from_bytes(print_[:8], signed=True) for print_ in prints):
        await session.execute(_LOCK, {"key": number})
