"""For users' own tests: a notifier that keeps what it was given, and a person who can sign in."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from singr_auth import PasswordHasher
from singr_auth.accounts.notices._notices import AccountType, Notice
from singr_auth.accounts.people._registration import insert_verified
from singr_auth.accounts.people._users import User, formed_email, user_by_id
from singr_config import Secret
from singr_db import Database, PlatformSession, Sealer, TenantSession

__all__ = ["RecordingNotifier", "make_person"]

N = TypeVar("N")


class RecordingNotifier:
    """A `Notifier` that keeps notices instead of sending them: exactly those whose transaction was committed.

    Attributes:
        notices: oldest first.
        wrong_emails: addresses that it cannot write to, and what is wrong with each.
        wrong_phones: numbers that it cannot write to, and what is wrong with each.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.wrong_emails: dict[str, str] = {}
        self.wrong_phones: dict[str, str] = {}

    async def notify(self, session: PlatformSession | TenantSession, notice: Notice) -> None:
        """Keep the notice once the session's transaction, and every savepoint that it is in, has been committed."""
        entries: list[tuple[SessionTransaction | None, Notice]] | None = session.info.get(self)
        if entries is None:
            entries = session.info[self] = []
            self._follow(session.sync_session, entries)
        inner = session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
        entries.append((inner, notice))

    def wrong_email(self, email: str) -> str | None:
        """Tell what is wrong with an address, as `wrong_emails` has it."""
        return self.wrong_emails.get(email)

    def wrong_phone(self, phone: str) -> str | None:
        """Tell what is wrong with a number, as `wrong_phones` has it."""
        return self.wrong_phones.get(phone)

    def of(self, kind: type[N]) -> list[N]:
        """Return the notices of one kind, oldest first."""
        return [notice for notice in self.notices if isinstance(notice, kind)]

    def last(self, kind: type[N]) -> N:
        """Return the newest notice of one kind.

        Raises:
            LookupError: there is none.
        """
        found = self.of(kind)
        if not found:
            raise LookupError(f"no {kind.__name__} was sent; there are {[type(one).__name__ for one in self.notices]}")
        return found[-1]

    def clear(self) -> None:
        """Forget everything."""
        self.notices.clear()

    def _follow(self, session: Session, entries: list[tuple[SessionTransaction | None, Notice]]) -> None:
        @event.listens_for(session, "after_soft_rollback")
        def undone(_: Session, transaction: SessionTransaction) -> None:
            entries[:] = [entry for entry in entries if not _within(entry[0], transaction)]

        @event.listens_for(session, "after_commit")
        def kept(committed: Session) -> None:
            if not committed.in_nested_transaction():
                self.notices.extend(notice for _, notice in entries)
                entries.clear()


def _within(inner: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.parent
    return inner is outer


async def make_person(
    db: Database,
    hasher: PasswordHasher,
    *,
    email: str,
    name: str = "Ada Lovelace",
    password: Secret | None = None,
    verified: bool = True,
    account_type: AccountType = "customer",
) -> User:
    """Add a person without a registration; None as password: one who signs in by link only.

    Raises:
        ValueError: the address is taken.
    """
    hashed = await hasher.hash(password) if password is not None else None
    async with db.platform() as session:
        user_id = await insert_verified(
            session,
            sealer=Sealer(Secret("for the locks of tests alone")),
            email=formed_email(email),
            name=name,
            password_hash=hashed,
            account_type=account_type,
            verified=verified,
        )
        if user_id is None:
            raise ValueError(f"the address {email} is taken")
        return await _read(session, user_id)


async def _read(session: PlatformSession, user_id: UUID) -> User:
    user: Any = await user_by_id(session, user_id)
    assert isinstance(user, User)  # noqa: S101 — inserted in this transaction
    return user
