"""The way back for whoever loses an account by a change of its address: a link to the address of before, for a week.

It stands whatever happens to the account meanwhile, but for its end: it is no one-time token of the account, which
signing out everywhere would make worthless. What it undoes is chosen so that whoever took the account is out, and that
a mailbox by itself opens no account that had more than a mailbox before.
"""

import datetime as dt
from typing import Final

from singr_auth import TokenError, TokenKind, new_token, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import ConflictError, TokenRefusedError
from singr_auth.accounts.audit._events import device_name, record_event
from singr_auth.accounts.credentials._revocation import cancel_jobs, revoke_where
from singr_auth.accounts.notices._following import Follower
from singr_auth.accounts.notices._notices import EmailMoved, EmailTarget, Notifier, ResetPassword
from singr_auth.accounts.notices._sending import send_security_notice
from singr_auth.accounts.organizations._consequences import lock_concerned
from singr_auth.accounts.people._addresses import lock_addresses, make_room, taken_from
from singr_auth.accounts.people._users import User, user_by_id
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._sessions import Sessions
from singr_config import Secret
from singr_config.clock import clock
from singr_config.constants import TOKEN_LIFETIMES
from singr_db import Database, PlatformSession, Sealer, new_id, sql_text
from singr_observability import mask_email

# Whoever takes an account over adds a passkey first and changes the address then.
_SUSPECT: Final = dt.timedelta(days=7)
_OFFER: Final = sql_text(
    """
    INSERT INTO email_changes (id, user_id, token_hash, email, email_key, asked_at, expires_at)
    VALUES (:id, :user_id, :hash, :email, :key, :asked_at, now() + make_interval(secs => :ttl))
    """
)
_FIND: Final = sql_text(
    """
    SELECT id, user_id, email, email_key, asked_at, created_at FROM email_changes
    WHERE token_hash = :hash AND used_at IS NULL AND expires_at > now()
    """
)
# Of a chain of changes, each is taken back with all that followed it; what came before it stays to be taken back.
_USE: Final = sql_text(
    """
    UPDATE email_changes SET used_at = now()
     WHERE user_id = :user_id AND created_at >= :created_at AND used_at IS NULL RETURNING id
    """
)
_RETURNED: Final = sql_text(
    """
    UPDATE email_changes SET used_at = now()
     WHERE user_id = :user_id AND used_at IS NULL AND expires_at > now()
       AND created_at >= (
           SELECT max(created_at) FROM email_changes
           WHERE user_id = :user_id AND email_key = :key AND used_at IS NULL AND expires_at > now()
       )
    RETURNING id
    """
)
_RESTORE: Final = sql_text(
    """
    UPDATE users SET email = :email, email_key = :key, email_verified_at = now(),
        password_hash = NULL, password_changed_at = NULL, password_needs_second_factor = false,
        phone_sealed = CASE WHEN phone_verified_at >= :suspect THEN NULL ELSE phone_sealed END,
        phone_hash = CASE WHEN phone_verified_at >= :suspect THEN NULL ELSE phone_hash END,
        phone_masked = CASE WHEN phone_verified_at >= :suspect THEN NULL ELSE phone_masked END,
        phone_verified_at = CASE WHEN phone_verified_at >= :suspect THEN NULL ELSE phone_verified_at END
     WHERE id = :user_id
    """
)
_TAKE_AWAY: Final = tuple(
    sql_text(statement)
    for statement in (
        # Those sign in by themselves. Without them the account asks for no less than before.
        "DELETE FROM passkeys WHERE user_id = :user_id AND created_at >= :suspect",
        # Those stand behind the mailbox: what was there before the change was asked for stays there.
        """
        DELETE FROM second_factors
         WHERE user_id = :user_id
           AND (created_at >= :asked_at OR (method IN ('sms', 'verify')
                AND NOT EXISTS (SELECT FROM users WHERE id = :user_id AND phone_verified_at IS NOT NULL)))
        """,
        """
        DELETE FROM backup_codes
         WHERE user_id = :user_id AND (created_at >= :asked_at
            OR NOT EXISTS (SELECT FROM second_factors WHERE user_id = :user_id AND confirmed_at IS NOT NULL))
        """,
        "UPDATE auth_challenges SET used_at = now() WHERE user_id = :user_id AND used_at IS NULL",
        # What was set going in the owner's name; credentials and jobs as everywhere, below.
        """
        UPDATE invitations SET revoked_at = now()
         WHERE invited_by = :user_id AND created_at >= :suspect AND accepted_at IS NULL AND revoked_at IS NULL
        """,
    )
)
# Whatever became of them meanwhile: what one made, before it was rotated away or ran out, may be in force.
_SUSPECTS: Final = "(holder_id = :user_id OR created_by = 'user:' || CAST(:user_id AS text)) AND created_at >= :suspect"


class EmailUndo:
    """Offers and takes the link that undoes a change of address.

    Args:
        db: where accounts are kept.
        sealer: keys the locks of addresses.
        one_time: the token of the link to a new password.
        notifier: sends mails.
        sessions: ends them.
        follower: hears of the address that is taken back.
    """

    def __init__(
        self,
        db: Database,
        *,
        sealer: Sealer,
        one_time: OneTimeTokens,
        notifier: Notifier,
        sessions: Sessions,
        follower: Follower,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._one_time = one_time
        self._notifier = notifier
        self._sessions = sessions
        self._follower = follower

    async def offer(
        self, session: PlatformSession, user: User, email: str, *, asked_at: dt.datetime, client: ClientInfo
    ) -> None:
        """Tell the address that the user just left of the change, with a link that takes it back.

        Where the user went back to an address that they had left within the week, that was such a taking back: the
        address in between is told, and gets no link.

        Args:
            session: the transaction of the change.
            user: as they were before it.
            email: where they are now.
            asked_at: when the change was asked for.
            client: from where.
        """
        back = (await session.scalars(_RETURNED, {"user_id": user.id, "key": email.lower()})).all()
        if back:
            await send_security_notice(session, self._notifier, user.target, "email_change_undone", client)
            return
        token, ttl = new_token(TokenKind.EMAIL_UNDO), TOKEN_LIFETIMES.email_undo
        row = {"id": new_id(), "user_id": user.id, "hash": token.hash, "email": user.email, "key": user.email_key}
        await session.execute(_OFFER, {**row, "asked_at": asked_at, "ttl": ttl})
        notice = EmailMoved(
            to=user.target,
            new_email=mask_email(email),
            token=token.secret,
            expires_in=ttl,
            occurred_at=clock.now(),
            address=client.address,
            device=device_name(client.user_agent) if client.user_agent else None,
        )
        await self._notifier.notify(session, notice)

    async def undo(self, token: Secret, client: ClientInfo) -> None:
        """Give the account back to the address of before, and let whoever moved it away keep no way in.

        All sessions end, no device is known any more, the password is dropped and a link to choose one goes to the
        restored address. Passkeys and a phone that were added in the week before the change was asked for, or later,
        are removed; so are second factors and backup codes that were added after it was. Older second factors stay:
        the mailbox alone must not open what it did not open before. Credentials that the account made since that week
        began are revoked, with all that they made in turn; jobs that they or the account had waiting are cancelled.

        Raises:
            TokenRefusedError: unknown, expired, used, or the account is gone.
            ConflictError: the address has become another account's meanwhile.
        """
        try:
            digest = parse_token(TokenKind.EMAIL_UNDO, token.reveal()).hash
        except TokenError:
            raise TokenRefusedError from None
        async with self._db.platform() as session:
            found = (await session.execute(_FIND, {"hash": digest})).one_or_none()
            if found is None:
                raise TokenRefusedError
            await lock_addresses(session, self._sealer, found.email_key)
            user = await user_by_id(session, found.user_id, lock=True)
            used = await session.scalars(_USE, {"user_id": found.user_id, "created_at": found.created_at})
            if user is None or user.status not in {"active", "disabled"} or found.id not in set(used):
                raise TokenRefusedError
            if await taken_from(session, found.email_key, user.id):
                raise ConflictError("The address belongs to another account now: write to us from it.")
            await make_room(session, found.email_key, user.id)
            row = {"user_id": user.id, "email": found.email, "key": found.email_key}
            row |= {"asked_at": found.asked_at, "suspect": found.asked_at - _SUSPECT}
            for statement in (_RESTORE, *_TAKE_AWAY):
                await session.execute(statement, row)
            theirs = {"user_id": user.id, "suspect": row["suspect"]}
            await lock_concerned(session, user.id)
            revoked = await revoke_where(session, _SUSPECTS, theirs)
            cancelled = await cancel_jobs(session, [f"user:{user.id}"], since=row["suspect"])
            ended = await self._sessions.revoke_all(session, user.id, reason="email.change_undone")
            await record_event(
                session,
                "email.change_undone",
                user_id=user.id,
                actor="anonymous",
                client=client,
                detail={
                    "ended": ended,
                    "revoked_credentials": list(revoked.key_ids),
                    "cancelled_jobs": revoked.cancelled_jobs + cancelled,
                },
            )
            restored = EmailTarget(found.email, user.name, user.id)
            await self._follower.account_changed(session, user.target, restored)
            await self._tell(session, user, restored)

    async def _tell(self, session: PlatformSession, user: User, restored: EmailTarget) -> None:
        # The address that it is taken from may be the rightful one: it learns of it, though not from where.
        await send_security_notice(session, self._notifier, user.target, "email_change_undone", None)
        ttl = TOKEN_LIFETIMES.password_reset
        token = await self._one_time.issue(session, "password_reset", user.id, ttl=ttl)
        await self._notifier.notify(session, ResetPassword(to=restored, token=token.secret, expires_in=ttl))
