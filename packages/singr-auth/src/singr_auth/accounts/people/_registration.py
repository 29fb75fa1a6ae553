"""Registration: the same answer and the same work for new, pending and existing addresses."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth import new_code
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import AccountType, EmailTarget, Notifier, VerifyEmail
from singr_auth.accounts.notices._sending import evenly, send, send_security_notice
from singr_auth.accounts.people._addresses import lock_addresses
from singr_auth.accounts.people._users import checked_email, checked_name, email_key, mailbox_subject, user_by_email
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sign_in._guard import SignInGuard
from singr_auth.accounts.sign_in._passwords import Passwords
from singr_config import HoldsSecrets, Secret
from singr_config.constants import TOKEN_LIFETIMES
from singr_db import Database, PlatformSession, Sealer, new_id, sql_text

# A pending row is overwritten by the newest registration; any other is left alone, and nothing is returned. Nor does
# anybody get an address that is held for the account that just moved away from it.
_UPSERT: Final = sql_text(
    """
    INSERT INTO users (id, account_type, status, name, email, email_key, email_verified_at, password_hash,
        password_changed_at)
    SELECT :id, :account_type, :status, :name, :email, :email_key, CASE WHEN :verified THEN now() END,
        CAST(:password_hash AS text), CASE WHEN CAST(:password_hash AS text) IS NOT NULL THEN now() END
     WHERE NOT EXISTS (
        SELECT FROM email_changes WHERE email_key = :email_key AND used_at IS NULL AND expires_at > now()
     )
    ON CONFLICT (email_key) DO UPDATE SET
        account_type = excluded.account_type, status = excluded.status, name = excluded.name, email = excluded.email,
        email_verified_at = excluded.email_verified_at, password_hash = excluded.password_hash,
        password_needs_second_factor = false,
        password_changed_at = CASE WHEN users.password_hash = excluded.password_hash THEN users.password_changed_at
            ELSE excluded.password_changed_at END
    WHERE users.status = 'pending'
    RETURNING id
    """
)


class NewAccount(HoldsSecrets, frozen=True):
    """What somebody registers with."""

    email: str
    name: str
    password: Secret
    account_type: AccountType


class Registration:
    """Makes accounts, which stay pending until their address is verified.

    Args:
        db: where accounts are kept.
        sealer: keys the locks of addresses.
        passwords: policy and hashing.
        guard: counts registrations; fails closed.
        one_time: issues the tokens of mails.
        notifier: sends mails.
    """

    def __init__(
        self,
        db: Database,
        *,
        sealer: Sealer,
        passwords: Passwords,
        guard: SignInGuard,
        one_time: OneTimeTokens,
        notifier: Notifier,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._passwords = passwords
        self._guard = guard
        self._one_time = one_time
        self._notifier = notifier

    async def register(self, account: NewAccount, client: ClientInfo) -> None:
        """Register; says nothing about the address. Whoever owns it learns by mail what happened.

        A new address gets a link and a code. So does a pending one: the links of older registrations are worthless, and
        the newest one counts. Where its password is another one than before, nobody knows who chose it: the owner
        chooses one by mail. The owner of an account in use is told of the attempt, and nothing changes.

        Raises:
            InvalidValueError: the name or the address has no usable form, or no mail can reach it.
            WeakPasswordError: the password is against the policy.
            GuardLimitedError: too many registrations from here, or of this address.
            GuardUnavailableError: they cannot be counted.
            PasswordQueueFullError: too many passwords are being hashed at this moment.
        """
        email = checked_email(account.email, self._notifier)
        account = msgspec.structs.replace(account, name=checked_name(account.name), email=email)
        self._passwords.refuse_weak(account.password, personal=(account.name, account.email))
        await self._guard.limit_address("register", client, self._guard.rates.register)
        await self._guard.limit("register.subject", mailbox_subject(account.email), self._guard.rates.register)
        async with evenly():
            async with self._db.platform() as session:
                before = await user_by_email(session, account.email)
            # Who sends the same registration again, for want of an answer, is the same person.
            pending = before.password_hash if before is not None and before.status == "pending" else None
            hashed = await self._passwords.hashed_or_same(pending, account.password)
            async with self._db.platform() as session:
                await self._store(session, account, hashed, client)

    async def _store(self, session: PlatformSession, account: NewAccount, hashed: str, client: ClientInfo) -> None:
        await lock_addresses(session, self._sealer, email_key(account.email))
        before = await user_by_email(session, account.email)
        user_id = await _upsert(session, self._sealer, account, hashed)
        owner = EmailTarget(account.email, account.name, user_id)
        await self._one_time.kill(session, user_id)
        code, ttl = new_code(), TOKEN_LIFETIMES.email_verification
        token = await self._one_time.issue(session, "email_verification", user_id, ttl=ttl, code=code)
        kind = "account.registered" if user_id else "account.registration_attempted"
        about = user_id or (before.id if before else None)
        await record_event(session, kind, user_id=about, actor="anonymous", client=client)
        # Both mails are made up, and one of them is taken back: which one costs the same.
        verification = VerifyEmail(to=owner, token=token.secret, code=code, expires_in=ttl)
        await send(session, self._notifier, verification, really=user_id is not None)
        known = before is not None and before.usable and user_id is None
        to = before.target if before is not None and known else owner
        await send_security_notice(session, self._notifier, to, "registration_attempted", client, really=known)


async def insert_verified(
    session: PlatformSession,
    *,
    sealer: Sealer,
    email: str,
    name: str,
    password_hash: str | None,
    account_type: AccountType,
    verified: bool = True,
) -> UUID | None:
    """Make an account whose owner has proved the address in another way, such as by an invitation's link.

    A pending account of this address is taken over: nobody has proved to own it.

    Returns:
        The new person's id; None where the address belongs to an account already.
    """
    row: dict[str, Any] = {
        "id": new_id(),
        "account_type": account_type,
        "status": "active" if verified else "pending",
        "name": name,
        "email": email,
        "email_key": email_key(email),
        "verified": verified,
        "password_hash": password_hash,
    }
    await lock_addresses(session, sealer, row["email_key"])
    found: UUID | None = await session.scalar(_UPSERT, row)
    return found


async def _upsert(session: PlatformSession, sealer: Sealer, account: NewAccount, hashed: str) -> UUID | None:
    options: dict[str, Any] = {"account_type": account.account_type, "verified": False, "password_hash": hashed}
    return await insert_verified(session, sealer=sealer, email=account.email, name=account.name, **options)
