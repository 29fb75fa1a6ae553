"""Passwords of accounts: checked behind the guard, replaced under the policy, hashed anew when parameters change."""

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from singr_auth import PASSWORD_LENGTH_ALONE, PasswordHasher, PasswordPolicy, WrongPasswordError, normalise_password
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import InvalidCredentialsError
from singr_auth.accounts.notices._sending import even_out
from singr_auth.accounts.people._users import User
from singr_auth.accounts.sign_in._guard import Admission, SignInGuard
from singr_config import Secret
from singr_db import Database, PlatformSession, sql_text

_REHASH: Final = sql_text("UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old RETURNING id")
_SAME_PASSWORD: Final = sql_text(
    "SELECT password_hash FROM users WHERE id = :id AND password_changed_at IS NOT DISTINCT FROM :changed_at"
)
_HAS_SECOND_FACTOR: Final = sql_text(
    "SELECT EXISTS (SELECT FROM second_factors WHERE user_id = :id AND confirmed_at IS NOT NULL)"
)


class RightPassword(msgspec.Struct, frozen=True):
    """A password that fits.

    Attributes:
        user: whose it is.
        stored: the hash that it was right for.
        renewed: the same password's hash under today's parameters; None where `stored` is that.
        admission: the try.
    """

    user: User
    stored: str
    renewed: str | None
    admission: Admission

    def __repr__(self) -> str:
        return f"RightPassword({self.user!r})"  # logs and tracebacks need no hash


class Passwords:
    """Checks and hashes passwords. Argon2 never runs inside a transaction.

    Args:
        db: keeps the hashes.
        hasher: bounded; its queue being full ends in PasswordQueueFullError, which is no wrong password.
        policy: what new passwords must be.
        guard: admits tries.
    """

    def __init__(self, db: Database, hasher: PasswordHasher, policy: PasswordPolicy, guard: SignInGuard) -> None:
        self._db = db
        self._hasher = hasher
        self._policy = policy
        self._guard = guard

    async def check(self, user: User, password: Secret, client: ClientInfo, *, failure: str) -> str:
        """Check the password of somebody who is known; returns the hash that it is right for, as `settle`.

        Args:
            user: the account, as just read.
            password: as given.
            client: from where.
            failure: kind of the event of a wrong password, such as "password.change_refused".

        Raises:
            InvalidCredentialsError: it is wrong, or there is nothing that it could open.
            GuardLimitedError: too many tries.
            GuardUnavailableError: tries cannot be counted.
            PasswordQueueFullError: too many passwords are being checked at this moment.
        """
        admission = await self._guard.admit(user.id, client)
        return await self.settle(await self.verify(user, password, client, admission=admission, failure=failure))

    async def verify(
        self, user: User | None, password: Secret, client: ClientInfo, *, admission: Admission, failure: str
    ) -> RightPassword:
        """Verify one password, at the same cost whether there is an account, a usable one, with a password, or not.

        Args:
            user: the account, as just read; None where there is none.
            password: as given.
            client: from where.
            admission: the try, as the guard let it through.
            failure: kind of the event of a wrong password, such as "sign_in.failed".

        Returns:
            What is to be settled: until then earlier failures stand.

        Raises:
            InvalidCredentialsError: it is wrong, or there is nothing that it could open.
            PasswordQueueFullError: too many passwords are being checked at this moment.
        """
        started = time.monotonic()
        known = user if user is not None and user.status in {"active", "pending"} else None
        try:
            stored = known.password_hash if known else None
            renewed = await self._hasher.verify(stored, password)
        except WrongPasswordError:
            await self._guard.failed(admission, client, user=user, kind=failure)
            await even_out(started)
            raise InvalidCredentialsError from None
        if known is None or stored is None:
            raise InvalidCredentialsError  # cannot be: nothing fits where there is nothing
        return RightPassword(known, stored, renewed, admission)

    async def settle(self, right: RightPassword) -> str:
        """Forget the failures before a password that was right, and keep its hash under today's parameters.

        Returns:
            The hash as it is stored now: what follows may ask that it still is.
        """
        async with self._db.platform() as session:
            await self._guard.succeeded(right.admission, session)
            if right.renewed is None:
                return right.stored
            row = {"id": right.user.id, "old": right.stored, "new": right.renewed}
            if await session.scalar(_REHASH, row) is not None:
                return right.renewed
            # Somebody was first: a sign-in beside this one, which renewed the same password's hash, or a change of it.
            row = {"id": right.user.id, "changed_at": right.user.password_changed_at}
            renewed_beside: str | None = await session.scalar(_SAME_PASSWORD, row)
        return renewed_beside or right.stored

    def refuse_weak(self, password: Secret, *, second_factor: bool = False, personal: Sequence[str] = ()) -> None:
        """Check a new password against the policy, before anything else is done.

        Raises:
            WeakPasswordError: says what would be right.
        """
        self._policy.check(password, second_factor=second_factor, personal=personal)

    @staticmethod
    def needs_second_factor(password: Secret) -> bool:
        """Tell whether a password is too short to stand alone."""
        return len(normalise_password(password)) < PASSWORD_LENGTH_ALONE

    async def hashed(self, password: Secret) -> str:
        """Hash a new password that passed `refuse_weak`; outside of any transaction.

        Raises:
            PasswordQueueFullError: too many passwords are being hashed at this moment.
        """
        return await self._hasher.hash(password)

    async def hashed_or_same(self, stored: str | None, password: Secret) -> str:
        """Hash a new password as `hashed` does; or return `stored`, where that is this password's hash already.

        The work is the same in any case.
        """
        hashed = await self._hasher.hash(password)
        try:
            await self._hasher.verify(stored, password)
        except WrongPasswordError:
            return hashed
        return stored or hashed


async def has_second_factor(session: PlatformSession, user_id: UUID) -> bool:
    """Tell whether a second factor stands behind this account's password, which may then be shorter."""
    return bool(await session.scalar(_HAS_SECOND_FACTOR, {"id": user_id}))
