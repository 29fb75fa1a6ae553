"""What the tests of a change of address and of its undo share."""

from factors_support import Someone, run

from singr_auth.accounts import (
    ConfirmNewEmail,
    EmailMoved,
)
from singr_config import Secret

ADMIN = "user:01920000-0000-7000-8000-0000000000ff"
NEW_ADDRESS = "new@example.org"
OTHER_PASSWORD = Secret("quite another road to the stage")


async def ask(someone: Someone, address: str = NEW_ADDRESS) -> ConfirmNewEmail:
    await someone.accounts.email_change.request(someone.user_id, someone.session_id, address, someone.client)
    return someone.notifier.last(ConfirmNewEmail)


async def move(someone: Someone, address: str = NEW_ADDRESS) -> EmailMoved:
    mail = await ask(someone, address)
    await someone.accounts.email_change.confirm(someone.user_id, someone.session_id, mail.code.reveal(), someone.client)
    return someone.notifier.last(EmailMoved)


async def undo(someone: Someone, moved: EmailMoved) -> None:
    await someone.accounts.email_undo.undo(moved.token, someone.clients())


async def address_of(someone: Someone) -> str:
    [(address,)] = await run(someone.db, "SELECT email FROM users WHERE id = :id", id=someone.user_id)
    return str(address)


async def add_passkey(someone: Someone, *, days_ago: int = 0) -> None:
    await run(
        someone.db,
        "INSERT INTO passkeys (id, user_id, credential_id, public_key, name, created_at)"
        " VALUES (uuidv7(), :id, CAST(gen_random_uuid()::text AS bytea), '', 'Key',"
        " now() - make_interval(days => :days))",
        id=someone.user_id,
        days=days_ago,
    )


async def passkeys(someone: Someone) -> int:
    return len(await run(someone.db, "SELECT FROM passkeys WHERE user_id = :id", id=someone.user_id))
