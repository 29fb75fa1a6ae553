"""What stands between a guesser and a password: limits in Redis that fail closed, and a growing wait in PostgreSQL.

Each try at an account's password is admitted three times over, before anything is compared:

1. `RATE_LIMITS.sign_in` tries a minute for each account and `ADDRESS_TRIES` for each address (an office behind one
   address works, a guesser does not). Redis counts them for all processes; where it does not answer, nobody is let in.
2. From the `LOCK_AFTER`-th consecutive failure on, each further one shuts the account to unknown devices for 30 s, 60 s
   and so on, 15 minutes at most. PostgreSQL counts them, in transactions of their own: they outlive a flushed Redis and
   a request that was rolled back. A try counts when it begins and is taken back when it turns out right, so that any
   number of tries at the same moment finds the same count.
3. A browser that has signed in to the account before is a subject of its own. While an attacker hammers, the owner
   signs in from where they did before.

No lock is permanent, and whether the account exists changes nothing: unknown ones are counted just the same.
"""

import contextlib
import datetime as dt
import math
from typing import Final
from uuid import UUID

import msgspec
import redis
from sqlalchemy import text

from singr_auth import TokenError, TokenKind, parse_token
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import GuardLimitedError, GuardUnavailableError
from singr_auth.accounts._events import record_event
from singr_auth.accounts._notices import EmailTarget, Notifier
from singr_auth.accounts._telling import tell_of_change
from singr_auth.accounts._users import User
from singr_config.constants import RATE_LIMITS, RateLimit
from singr_db import Database, PlatformSession, Sealer
from singr_jobs import Decision, RateLimiter

ADDRESS_TRIES: Final = RateLimit(20, 60)
"""Tries at passwords a minute that one address may make, at whatever accounts."""
LOCK_AFTER: Final = 10
FIRST_LOCK_SECONDS: Final = 30
LONGEST_LOCK_SECONDS: Final = 900
_STEPS: Final = math.ceil(math.log2(LONGEST_LOCK_SECONDS / FIRST_LOCK_SECONDS))
_FORGET: Final = dt.timedelta(days=1)

_COUNT: Final = text(
    """
    INSERT INTO sign_in_failures AS f (subject_hash, failures, last_at) VALUES (:subject, 1, now())
    ON CONFLICT (subject_hash) DO UPDATE SET
        failures = CASE WHEN f.last_at < now() - :forget THEN 1 ELSE f.failures + 1 END,
        last_at = now(),
        locked_until = CASE WHEN f.last_at >= now() - :forget AND f.failures + 1 >= :lock_after
            THEN now() + make_interval(
                secs => least(:first * 2 ^ least(f.failures + 1 - :lock_after, :steps), :longest)
            ) END
    WHERE f.locked_until IS NULL OR f.locked_until <= now()
    RETURNING failures
    """
)
_LOCKED_FOR: Final = text(
    "SELECT extract(epoch FROM locked_until - now())::float8 FROM sign_in_failures WHERE subject_hash = :subject"
)
_FORGIVE: Final = text("DELETE FROM sign_in_failures WHERE subject_hash = :subject")
_WITHDRAW: Final = text(
    """
    UPDATE sign_in_failures
    SET failures = greatest(failures - 1, 0),
        locked_until = CASE WHEN failures - 1 >= :lock_after THEN locked_until END
    WHERE subject_hash = :subject
    """
)
_DEVICE: Final = text(
    """
    SELECT id FROM devices
    WHERE token_hash = :hash AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
    """
)
_NOBODY: Final = UUID(int=0)
_NO_TOKEN: Final = bytes(32)


class Admission(msgspec.Struct, frozen=True):
    """One try that was let through; to be ended by `failed`, `succeeded` or `withdraw`.

    Attributes:
        failures: consecutive failures of this subject, this try included.
        known_device: the caller has signed in to this account from here before.
    """

    subject_hash: bytes
    failures: int
    known_device: bool


class SignInGuard:
    """Admits tries at passwords, and counts what guards other secrets.

    Args:
        db: keeps consecutive failures.
        sealer: fingerprints subjects: neither store learns whose account it is.
        limiter: counts in Redis.
        notifier: tells owners that their account is locked to unknown devices.
    """

    def __init__(self, db: Database, sealer: Sealer, limiter: RateLimiter, notifier: Notifier) -> None:
        self._db = db
        self._sealer = sealer
        self._limiter = limiter
        self._notifier = notifier

    async def limit(self, name: str, subject: str, limit: RateLimit) -> None:
        """Count one use of `name` by `subject` (a user, an address); for what guards secrets, since it fails closed.

        Raises:
            GuardLimitedError: `limit` is used up.
            GuardUnavailableError: Redis does not answer, so nothing is let through.
        """
        decision = await self._check(name, subject, limit)
        if not decision.allowed:
            raise GuardLimitedError(max(1, decision.retry_after))

    async def has_room(self, name: str, subject: str, limit: RateLimit) -> bool:
        """Count as `limit` does, for what is left out silently once there was enough of it, such as another mail.

        Raises:
            GuardUnavailableError: Redis does not answer.
        """
        return (await self._check(name, subject, limit)).allowed

    async def admit(self, subject: str, client: ClientInfo, *, user_id: UUID | None = None) -> Admission:
        """Let one try at a password through, counted as a failure until `succeeded` says otherwise.

        Does the same work for every subject, known or not.

        Args:
            subject: whose password: `email:<key>` for sign-ins, `user:<id>` for people who are signed in.
            client: where the try comes from; a device token counts if it is one of `user_id`'s.
            user_id: the account, if there is one.

        Raises:
            GuardLimitedError: too many tries, or locked after too many failures.
            GuardUnavailableError: Redis does not answer.
        """
        device = await self._device(client, user_id)
        if device is None:
            await self.limit("sign_in.address", client.address, ADDRESS_TRIES)
        else:
            subject = f"{subject}|device:{device}"
        await self.limit("sign_in.subject", subject, RATE_LIMITS.sign_in)
        subject_hash = self._sealer.fingerprint(subject, context="sign_in_failures.subject")
        async with self._db.platform() as session:
            failures = await session.scalar(_COUNT, _parameters(subject_hash))
            if failures is None:
                locked_for = await session.scalar(_LOCKED_FOR, {"subject": subject_hash})
                raise GuardLimitedError(max(1, math.ceil(locked_for or 1)))
        return Admission(subject_hash, failures, device is not None)

    async def failed(self, admission: Admission, client: ClientInfo, *, user: User | None, kind: str) -> None:
        """Write down that the try was wrong, in a transaction of its own; tells the owner when this locks the account.

        Args:
            admission: of `admit`, which counted it already.
            client: from where.
            user: whose account; None where there is none.
            kind: of the security event, such as "sign_in.failed".
        """
        locks = admission.failures == LOCK_AFTER
        async with self._db.platform() as session:
            detail = {"failures": admission.failures, "known_device": admission.known_device}
            await record_event(
                session, kind, user_id=user.id if user else None, actor="anonymous", client=client, detail=detail
            )
            if locks:
                # Equal work for accounts that do not exist: the tenth failure must not tell them apart either.
                to = user.target if user else EmailTarget("nobody@singrkaraoke.com", "Nobody")
                known = user is not None and user.usable
                await record_event(session, "account.locked", user_id=user.id if user else None, client=client)
                await tell_of_change(session, self._notifier, to, "account_locked", client, really=known)

    async def succeeded(self, admission: Admission, session: PlatformSession | None = None) -> None:
        """Forget the failures of this subject, and of this subject alone; in `session`, or a transaction of its own."""
        if session is not None:
            await session.execute(_FORGIVE, {"subject": admission.subject_hash})
            return
        async with self._db.platform() as own:
            await own.execute(_FORGIVE, {"subject": admission.subject_hash})

    async def withdraw(self, admission: Admission) -> None:
        """Take the try back that was never judged, because the server was too busy."""
        async with self._db.platform() as session:
            await session.execute(_WITHDRAW, {"subject": admission.subject_hash, "lock_after": LOCK_AFTER})

    async def forgive(self, session: PlatformSession, subject: str) -> None:
        """Forget the failures of a subject on unknown devices: its owner has proved themselves in another way."""
        for subject_hash in self._sealer.fingerprints(subject, context="sign_in_failures.subject"):
            await session.execute(_FORGIVE, {"subject": subject_hash})

    async def _check(self, name: str, subject: str, limit: RateLimit) -> Decision:
        key = self._sealer.fingerprint(subject, context=f"guard.{name}").hex()
        try:
            return await self._limiter.check(f"guard:{name}:{key}", limit=limit.limit, window=limit.window)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise GuardUnavailableError from error

    async def _device(self, client: ClientInfo, user_id: UUID | None) -> UUID | None:
        if client.device_token is None:
            return None
        presented = _NO_TOKEN
        # what is no device token counts as none: it is nothing to refuse a sign-in for
        with contextlib.suppress(TokenError):
            presented = parse_token(TokenKind.DEVICE, client.device_token.reveal()).hash
        async with self._db.platform() as session:
            found: UUID | None = await session.scalar(_DEVICE, {"hash": presented, "user_id": user_id or _NOBODY})
        return found


def _parameters(subject_hash: bytes) -> dict[str, object]:
    return {
        "subject": subject_hash,
        "forget": _FORGET,
        "lock_after": LOCK_AFTER,
        "first": FIRST_LOCK_SECONDS,
        "steps": _STEPS,
        "longest": LONGEST_LOCK_SECONDS,
    }
