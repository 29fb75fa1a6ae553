"""Register through an invitation: the link has proved the address, so the account is ready at once."""

from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, TokenRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, WelcomeUser
from singr_auth.accounts.organizations._invitations import Invitations, invitation_hash
from singr_auth.accounts.organizations._organizations import Membership
from singr_auth.accounts.people._registration import insert_verified
from singr_auth.accounts.people._users import checked_name
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_config import Secret
from singr_db import Database, PlatformSession, Sealer, sql_text

_INVITED: Final = sql_text(
    """
    SELECT email FROM invitations
    WHERE token_hash = :token_hash AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()
    FOR NO KEY UPDATE
    """
)


class PasswordRules(Protocol):
    """Checks and hashes new passwords; `Passwords` is one."""

    def refuse_weak(self, password: Secret, *, second_factor: bool = False, personal: Sequence[str] = ()) -> None:
        """Raise `WeakPasswordError` unless the policy admits it."""

    async def hashed(self, password: Secret) -> str:
        """Return the PHC string to store."""


class Joined(msgspec.Struct, frozen=True):
    """A new person and the place they were invited to. They are not signed in: they do that with their password."""

    user_id: UUID
    membership: Membership


class InvitedRegistration:
    """Makes accounts for people who were invited. Owns its transactions: a password is never hashed inside one.

    Args:
        db: where people are kept.
        sealer: keys the locks of addresses.
        passwords: checks and hashes the new password.
        invitations: accepts the invitation.
        notifier: says welcome.
    """

    def __init__(
        self, db: Database, sealer: Sealer, passwords: PasswordRules, invitations: Invitations, notifier: Notifier
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._passwords = passwords
        self._invitations = invitations
        self._notifier = notifier

    async def register(self, token: str, *, name: str, password: Secret, client: ClientInfo) -> Joined:
        """Make an account for the invited address, verified, and a member of the organization.

        Raises:
            TokenRefusedError: unknown, used, revoked or expired. Of any number of tries at once, one succeeds.
            ConflictError: the address has an account: sign in and accept; the invitation stays open.
            WeakPasswordError: the policy refuses the password.
            InvalidValueError: the name cannot be taken.
            PasswordQueueFullError: too many passwords are being hashed at this moment.
        """
        name = checked_name(name)
        digest = invitation_hash(token)
        async with self._db.platform() as session:
            preview = await self._invitations.preview(session, token)
        if preview.has_account:
            raise _has_account()
        self._passwords.refuse_weak(password, personal=(name, preview.email))
        password_hash = await self._passwords.hashed(password)
        async with self._db.platform() as session:
            # the organization and the invitation before the person, so that two of these cannot wait in a circle;
            # nobody else waits for a person who is being made
            await self._invitations.hold(session, token)
            invited: Any = (await session.execute(_INVITED, {"token_hash": digest})).one_or_none()
            if invited is None:
                raise TokenRefusedError  # somebody was faster
            user_id = await self._account(session, invited.email, name, password_hash, client)
            membership = await self._invitations.accept(session, token, user_id=user_id, client=client)
            target = EmailTarget(invited.email, name, user_id)
            await self._notifier.notify(session, WelcomeUser(target, "customer"))
        return Joined(user_id, membership)

    async def _account(
        self, session: PlatformSession, email: str, name: str, password_hash: str, client: ClientInfo
    ) -> UUID:
        # Anybody may have made an account of this address that was never verified. Whoever holds the link takes it
        # over with a password of their own, and what was sent for it before opens nothing.
        user_id = await insert_verified(
            session,
            sealer=self._sealer,
            email=email,
            name=name,
            password_hash=password_hash,
            account_type="customer",
        )
        if user_id is None:
            raise _has_account()
        await OneTimeTokens.kill(session, user_id)
        await record_event(
            session, "account.registered", user_id=user_id, client=client, detail={"through": "invitation"}
        )
        return user_id


def _has_account() -> ConflictError:
    return ConflictError("This address has an account: sign in with it, then accept the invitation.")
