"""What is kept about an account is told whole, or not by this process."""

import pytest
from sqlalchemy import text

from singr_auth.accounts import OwnData
from singr_auth.accounts.people._phones import phone_context
from singr_config import Secret
from singr_db import Database, Sealer, SealError, new_id

HERE, ELSEWHERE = Sealer(Secret("h" * 40)), Sealer(Secret("e" * 40))
_ADD = """
INSERT INTO users (id, name, email, email_key, account_type, status, phone_sealed, phone_hash, phone_masked)
VALUES (:id, 'Ada', 'ada@example.org', 'ada@example.org', 'singer', 'active', :sealed, 'hash', '***')
"""


@pytest.mark.parametrize("sealer", [HERE, ELSEWHERE], ids=["known", "unknown"])
@pytest.mark.parametrize("altered", [False, True], ids=["whole", "altered"])
async def test_number_is_told_unless_it_was_altered_and_never_as_none_for_want_of_a_secret(
    db: Database, sealer: Sealer, *, altered: bool
) -> None:
    user = new_id()
    sealed = bytearray(sealer.seal(b"+15555550177", context=phone_context(user)))
    if altered:
        sealed[20] ^= 255
    async with db.platform() as session:
        await session.execute(text(_ADD), {"id": user, "sealed": bytes(sealed)})
    data = OwnData(db, HERE)
    if sealer is ELSEWHERE:
        with pytest.raises(SealError):
            await data.account(user)
        with pytest.raises(SealError):
            _ = [row async for row in data.rows(user)]
        return
    account = await data.account(user)
    assert account is not None
    assert account.phone == (None if altered else "+15555550177")
    assert {row["phone"] async for name, row in data.rows(user) if "phone" in row} == {account.phone}
