"""Everything that is kept about one account, for its owner: lists of rows, read a page at a time.

Secrets are none of it: hashes of passwords, tokens and codes, keys of factors. `LISTS` and `LEFT_OUT` together name
every table with something of accounts; a test compares them with the schema.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause

from singr_auth.accounts.people._phones import phone_context
from singr_db import Database, Sealer, SealError, sql_text

_AT_ONCE: Final = 200
_FIRST: Final = UUID(int=0)
_ACCOUNT: Final = sql_text("SELECT name, email, phone_sealed FROM users WHERE id = :id AND status = 'active'")


class AccountList(msgspec.Struct, frozen=True):
    """One list of what is kept about an account.

    Args:
        name: as it is called in what its owner gets.
        table: whose rows it tells of.
        statement: gives `at`, in whose order they come, and what is told; takes `id`, `after` and `limit`.
    """

    name: str
    table: str
    statement: TextClause


def _list(
    name: str, table: str, *, columns: str, at: str = "id", whose: str = "user_id = :id", source: str = ""
) -> AccountList:
    told = f"SELECT {at} AS at, {columns} FROM {source or table} WHERE {whose}"  # noqa: S608 - constants
    return AccountList(name, table, sql_text(f"{told} AND {at} > :after ORDER BY {at} LIMIT :limit"))


LISTS: Final = (
    _list(
        "profile",
        "users",
        whose="users.id = :id",
        columns="""account_type, status, name, email, email_verified_at, phone_sealed, phone_verified_at,
                   password_hash IS NOT NULL AS has_password, password_changed_at,
                   (SELECT r.name FROM roles AS r WHERE r.id = users.role_id) AS platform_role, created_at,
                   last_sign_in_at""",
    ),
    _list(
        "organizations",
        "memberships",
        at="m.organization_id",
        source="""memberships AS m JOIN organizations AS o ON o.id = m.organization_id
                  JOIN roles AS r ON r.id = m.role_id""",
        whose="m.user_id = :id",
        columns="o.name, o.slug, r.name AS role, m.created_at",
    ),
    _list(
        "invitations",
        "invitations",
        at="i.id",
        source="invitations AS i JOIN organizations AS o ON o.id = i.organization_id",
        whose="(i.accepted_by = :id OR i.email_key = (SELECT email_key FROM users WHERE users.id = :id))",
        columns="o.name AS organization, i.email, i.created_at, i.sent_at, i.expires_at, i.accepted_at, i.revoked_at",
    ),
    _list(
        "sessions",
        "auth_sessions",
        columns="""methods, authenticated_at, created_at, last_used_at, expires_at, revoked_at, revoked_reason, device,
                   user_agent, address""",
    ),
    _list(
        "devices",
        "devices",
        columns="device, address, created_at, last_used_at, expires_at, trusted_until, revoked_at",
    ),
    _list("passkeys", "passkeys", columns="name, transports, aaguid, backed_up, created_at, last_used_at"),
    _list(
        "second_factors",
        "second_factors",
        at="CAST(md5(method) AS uuid)",
        columns="method, confirmed_at, created_at, last_used_at",
    ),
    _list("email_changes", "email_changes", columns="email, asked_at, expires_at, used_at"),
    _list(
        "security_events",
        "security_events",
        columns="organization_id, kind, address, device, detail, created_at",
    ),
    _list(
        "credentials",
        "service_credentials",
        whose="holder_id = :id",
        columns="organization_id, name, kind, scopes, created_at, expires_at, revoked_at, last_used_at",
    ),
)
LEFT_OUT: Final = {
    "auth_challenges": "sign-ins under way, for minutes",
    "backup_codes": "hashes of codes",
    "one_time_tokens": "hashes of tokens, and what they were asked for, until they are used",
    "refresh_tokens": "hashes of tokens; the sessions that they belong to are listed",
    "sign_in_failures": "fingerprints and counts",
}
"""Tables with something of accounts that their owners are not told of, and why."""


class OwnAccount(msgspec.Struct, frozen=True):
    """How an account is reached.

    Args:
        name: as it is called.
        email: where it is written to.
        phone: its number in E.164 form, if it has one.
    """

    name: str
    email: str
    phone: str | None


class OwnData:
    """Reads everything that is kept about an account.

    Args:
        db: where accounts are kept.
        sealer: opens numbers.
    """

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._db = db
        self._sealer = sealer

    async def account(self, user_id: UUID) -> OwnAccount | None:
        """How the account is reached; None where it is not in force any more. Raises as `rows` does."""
        async with self._db.platform() as session:
            row = (await session.execute(_ACCOUNT, {"id": user_id})).first()
        return None if row is None else OwnAccount(row.name, row.email, self._phone(user_id, row.phone_sealed))

    async def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """All rows, each with the name of its list; those of a list follow one another.

        Raises:
            singr_db.SealError: its number was sealed with a secret that this process does not have.
        """
        for listed in LISTS:
            values: dict[str, Any] = {"id": user_id, "after": _FIRST, "limit": _AT_ONCE}
            while True:
                async with self._db.platform() as session:
                    rows = (await session.execute(listed.statement, values)).mappings().all()
                for row in rows:
                    yield listed.name, self._told(dict(row))
                if len(rows) < _AT_ONCE:
                    break
                values["after"] = rows[-1]["at"]

    def _told(self, row: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in row.items() if name not in {"at", "phone_sealed"}}
        if "phone_sealed" in row:
            told["phone"] = self._phone(row["at"], row["phone_sealed"])
        return {"id": row["at"], **told}

    def _phone(self, user_id: UUID, sealed: bytes | None) -> str | None:
        if sealed is None:
            return None
        try:
            return self._sealer.open(bytes(sealed), context=phone_context(user_id)).decode()
        except SealError:
            if self._sealer.knows(sealed):  # it was altered: nobody opens it
                return None
            raise
