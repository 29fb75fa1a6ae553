"""What recipients have from an account follows it: its changes, and its end."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailAddress
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.notifications._person_keys import read_keys
from singr_comms.notifications._rows import RECIPIENT, prints_of
from singr_comms.people._directory import Member
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.inbox._news import note_news
from singr_comms.people.recipients._sealing import FROM_ACCOUNTS, name_of, sealed_address, sealed_name
from singr_db import PersonKey, PlatformSession, Sealer, SealError, TenantSession, sql_text
from singr_db.batch import read_arrays

# Whose account it was once has what they had from it then, until the account ends.
_OF_ACCOUNT: Final = sql_text(
    """
SELECT id, key_id, copied, name_sealed, email_sealed, email_hash, phone_sealed FROM recipients
 WHERE last_user_id = :user_id AND (user_id = :user_id OR CAST(:is_over AS boolean))
   AND organization_id = coalesce(CAST(:organization_id AS uuid), organization_id)
 ORDER BY id FOR NO KEY UPDATE
""",
    roles=("platform", "tenant"),
)
_COLUMNS: Final = {"id": "uuid", "copied": "text[]"} | FROM_ACCOUNTS
_SET: Final = ", ".join(f"{name} = row.{name}" for name in ("copied", *FROM_ACCOUNTS))
_WRITE: Final = sql_text(
    f"UPDATE recipients AS r SET {_SET}, updated_at = now() FROM {read_arrays(_COLUMNS, ':rows')} WHERE r.id = row.id",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)
# Of whom nothing can be opened here: what they have of their organization stays sealed as it is.
_CLEARED: Final = ", ".join(
    f"{name} = CASE WHEN '{name.partition('_')[0]}' = ANY (row.copied) THEN NULL ELSE r.{name} END"
    for name in FROM_ACCOUNTS
)
_CLEAR: Final = sql_text(
    f"""
UPDATE recipients AS r SET {_CLEARED}, copied = '{{}}', updated_at = now()
  FROM {read_arrays({"id": "uuid", "copied": "text[]"}, ":rows")} WHERE r.id = row.id
""",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)
_PART: Final = sql_text(
    "UPDATE recipients SET user_id = NULL WHERE id = ANY(CAST(:ids AS uuid[])) AND user_id IS NOT NULL",
    roles=("platform", "tenant"),
)


async def follow_account(
    session: TenantSession | PlatformSession, before: Member, now: Member | None, *, sealer: Sealer
) -> None:
    """Let what recipients have from an account be what it says now, or go with it, in the caller's transaction.

    What their organizations gave themselves stays; of recipients who were put before that was written down, an address
    and a name that are the account's pass for copies. One who has nothing left is kept, without an address.

    Args:
        session: of all organizations, or fenced to one.
        before: what the account said until now.
        now: what it says from now on; None: it has ended, and is nobody's any more.
        sealer: opens what is kept of people, and gives the fingerprints of addresses.
    """
    if isinstance(session, KeepsPeople):
        session.people.follow(before, now)
        return
    organization_id = session.organization_id if isinstance(session, TenantSession) else None
    asked = {"user_id": before.user_id, "is_over": now is None, "organization_id": organization_id}
    rows: Any = (await session.execute(_OF_ACCOUNT, asked)).all()
    keys = await read_keys(session, sealer, {row.key_id for row in rows})
    changed, lost = [], []
    for row in rows:
        copied = _copied(row, before, keys, sealer)
        if copied and row.key_id in keys:
            changed.append(_followed(row, copied, now, keys[row.key_id], sealer))
        elif copied:
            lost.append((row.id, copied))
    if changed:
        await session.execute(_WRITE, {"rows": msgspec.json.encode(changed).decode()})
    if now is None and lost:
        await session.execute(_CLEAR, {"rows": msgspec.json.encode(lost).decode()})
    if now is None and rows:
        ids = [row.id for row in rows]
        await session.execute(_PART, {"ids": ids})
        note_news(session, ids)


def _followed(row: Any, copied: Collection[str], now: Member | None, key: PersonKey, sealer: Sealer) -> list[Any]:
    """The values of `_COLUMNS`."""
    email, phone = _opened(row.email_sealed, key), _opened(row.phone_sealed, key)
    told: dict[str, Any] = {
        "name": name_of(row.name_sealed, {row.key_id: key}, row.key_id),
        "email": EMAIL.decoded(email).email if email else None,
        "phone": SMS.decoded(phone) if phone else None,
    }
    told |= {field: now and getattr(now, field) for field in copied}
    to = EmailAddress(told["email"], told["name"]) if told["email"] else None
    return [
        row.id,
        copied if now else [],
        sealed_name(told["name"], key),
        *sealed_address(EMAIL.name, to, key, sealer),
        *sealed_address(SMS.name, told["phone"], key, sealer),
    ]


def _opened(sealed: bytes | None, key: PersonKey) -> bytes | None:
    try:
        return None if sealed is None else key.open(sealed, context=RECIPIENT)
    except SealError:
        return None


def _copied(row: Any, account: Member, keys: dict[UUID, PersonKey], sealer: Sealer) -> list[str]:
    """What came from an account; if nobody wrote it down, what is the account's."""
    if row.copied is not None:
        return list(row.copied)
    same = {
        "name": account.name is not None and name_of(row.name_sealed, keys, row.key_id) == account.name,
        "email": account.email is not None and row.email_hash in prints_of(sealer, account.email),
    }
    return [field for field, is_same in same.items() if is_same]
