"""Whose lock it is cannot be told from the address: roles of other services share the database."""

import hashlib

from sqlalchemy import text

from singr_auth.accounts.people._addresses import lock_addresses
from singr_config import Secret
from singr_db import Sealer

ADDRESS = "ada@example.org"


async def test_the_lock_of_an_address_cannot_be_guessed(db):
    async with db.platform() as session:
        for secret in ("a" * 40, "b" * 40):
            await lock_addresses(session, Sealer(Secret(secret)), ADDRESS)
        number = "classid::bigint << 32 | objid::bigint"
        rows = await session.execute(
            text(
                f"SELECT {number} FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid()"
            )
        )
        held = [row[0] for row in rows]
    guessed = int.from_bytes(hashlib.sha256(b"address " + ADDRESS.encode()).digest()[:8], signed=True)
    assert len(set(held)) >= 2
    assert guessed not in held
