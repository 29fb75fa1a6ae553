"""What `AUTH_SECRET` itself seals of accounts, sealed anew once it was changed: then the former one can be taken out.

`singr-db rewrap-keys` does it. What cannot be opened here stays as it is, and is counted there.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause

from singr_auth.accounts.credentials._credentials import signing_context
from singr_auth.accounts.factors._totp import totp_context
from singr_auth.accounts.people._addresses import lock_phone, phone_taken_from
from singr_auth.accounts.people._phones import phone_context
from singr_auth.accounts.people._users import PHONE_CONTEXT
from singr_db import Database, Resealed, Sealer, SealError, sql_text

_AT_ONCE: Final = 500
_FIRST: Final = UUID(int=0)
_SOME: Final = 10

_NUMBERS: Final = sql_text(
    """
    SELECT id, id AS owner, phone_sealed AS sealed FROM users
    WHERE phone_sealed IS NOT NULL AND id > :after ORDER BY id LIMIT :most
    """
)
# What changed meanwhile is of the current secret already.
_RENEW_NUMBER: Final = sql_text(
    """
    UPDATE users SET phone_sealed = :anew, phone_hash = :hash WHERE id = :id AND phone_sealed = :before RETURNING id
    """
)
_AUTHENTICATORS: Final = sql_text(
    """
    SELECT user_id AS id, user_id AS owner, secret_sealed AS sealed FROM second_factors
    WHERE method = 'totp' AND user_id > :after ORDER BY user_id LIMIT :most
    """
)
_RENEW_AUTHENTICATOR: Final = sql_text(
    """
    UPDATE second_factors SET secret_sealed = :anew
    WHERE user_id = :id AND method = 'totp' AND secret_sealed = :before RETURNING user_id
    """
)
_SIGNING_KEYS: Final = sql_text(
    """
    SELECT id, key_id AS owner, secret_sealed AS sealed FROM service_credentials
    WHERE secret_sealed IS NOT NULL AND id > :after ORDER BY id LIMIT :most
    """
)
_RENEW_SIGNING_KEY: Final = sql_text(
    "UPDATE service_credentials SET secret_sealed = :anew WHERE id = :id AND secret_sealed = :before RETURNING id"
)
_Context = Callable[[Any], str]


async def rewrap(db: Database, sealer: Sealer) -> list[Resealed]:
    """Seal phone numbers, authenticator secrets and signing keys anew, each in a transaction of its own.

    May be repeated, and run beside everything. Numbers are found by the current secret from then on.
    """
    apps = _AUTHENTICATORS, _RENEW_AUTHENTICATOR, totp_context
    keys = _SIGNING_KEYS, _RENEW_SIGNING_KEY, signing_context
    return [
        await _numbers(db, sealer),
        Resealed("authenticator secrets", await _secrets(db, sealer, *apps)),
        Resealed("signing keys", await _secrets(db, sealer, *keys)),
    ]


async def _numbers(db: Database, sealer: Sealer) -> Resealed:
    done, shared = 0, []
    async for row, opened in _stale(db, sealer, _NUMBERS, phone_context):
        phone = opened.decode()
        async with db.platform() as session:
            await lock_phone(session, sealer, phone)
            if await phone_taken_from(session, sealer, phone, row.id):
                shared.append(row.id)
                continue
            values = _anew(sealer, row, opened, phone_context)
            values["hash"] = sealer.fingerprint(phone, context=PHONE_CONTEXT)
            done += await session.scalar(_RENEW_NUMBER, values) is not None
    trouble = None
    if shared:
        some = ", ".join(map(str, shared[:_SOME]))
        trouble = (
            f"{len(shared)} phone numbers of accounts stay as they were, since another account has verified the same"
            f" one: {some}. Whoever does not have the number any more removes it (DELETE /v1/me/phone)."
        )
    return Resealed("phone numbers of accounts", done, trouble)


async def _secrets(db: Database, sealer: Sealer, read: TextClause, write: TextClause, context: _Context) -> int:
    done = 0
    async for row, opened in _stale(db, sealer, read, context):
        async with db.platform() as session:
            done += await session.scalar(write, _anew(sealer, row, opened, context)) is not None
    return done


async def _stale(
    db: Database, sealer: Sealer, read: TextClause, context: _Context
) -> AsyncIterator[tuple[Row[Any], bytes]]:
    """What a former secret seals, and what is in it."""
    after = _FIRST
    while True:
        async with db.platform() as session:
            rows = (await session.execute(read, {"after": after, "most": _AT_ONCE})).all()
        for row in rows:
            if sealer.is_current(row.sealed):
                continue
            try:
                opened = sealer.open(row.sealed, context=context(row.owner))
            except SealError:
                continue
            yield row, opened
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def _anew(sealer: Sealer, row: Row[Any], opened: bytes, context: _Context) -> dict[str, Any]:
    return {"id": row.id, "before": row.sealed, "anew": sealer.seal(opened, context=context(row.owner))}
