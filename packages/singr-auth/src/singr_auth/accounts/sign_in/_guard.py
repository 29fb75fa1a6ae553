"""What stands between a guesser and a password: limits in Redis that fail closed, and a growing wait in PostgreSQL.

Each try at an account's password is admitted three times over, before anything is compared:

1. A few tries a minute for each account, and ten times as many for each caller's address (a venue behind one address
   works, a guesser does not). Redis counts them for all processes; where it does not answer, nobody is let in.
2. From the `LOCK_AFTER`-th consecutive failure on, each further one shuts the account to unknown devices for 30 s, 60 s
   and so on, 15 minutes at most. PostgreSQL counts them, in transactions of their own: they outlive a flushed Redis and
   a request that was rolled back. However many tries are on their way at the same moment, no more of them are compared
   than the first limit admits, so counting a failure once it is one lets nobody have more.
3. A browser that has signed in to the account before is a subject of its own. While an attacker hammers, the owner
   signs in from where they did before.

No lock is permanent, and whether the account exists changes nothing: unknown ones are counted just the same. Nor does
anybody close all ways for an owner by asking in their name: see `asked_for`.
"""

import datetime as dt
import math
from typing import Any, Final
from uuid import UUID

import msgspec
import redis

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import GuardLimitedError, GuardUnavailableError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import EmailTarget, Notifier
from singr_auth.accounts.notices._sending import send_security_notice, undone_alone
from singr_auth.accounts.people._users import COLUMNS, User, email_key, email_subject
from singr_auth.accounts.sessions._devices import presented_hash
from singr_config import LimitSettings
from singr_config.constants import RateLimit
from singr_db import Database, PlatformSession, Sealer, sql, sql_text
from singr_db.limits import Decision, LimitCheck, RateLimiter

SEND_LIMIT_NAME: Final = "second_factor.send"
"""Codes that are sent to a user are counted together, whatever for."""
VERIFY_LIMIT_NAME: Final = "second_factor.verify"
"""Tries at second factors of all kinds are counted together, as `SignInGuard.limit_of_user` says."""
RESERVE: Final = RateLimit(6, 3600)
"""Messages beyond the limit that may be asked for in somebody's name, by callers who asked for none lately."""
LOCK_AFTER: Final = 10
FIRST_LOCK_SECONDS: Final = 30
LONGEST_LOCK_SECONDS: Final = 900
_STEPS: Final = math.ceil(math.log2(LONGEST_LOCK_SECONDS / FIRST_LOCK_SECONDS))
_FORGET: Final = dt.timedelta(days=1)

_COUNT: Final = sql_text(
    """
    INSERT INTO sign_in_failures AS f (subject_hash, failures, last_at) VALUES (:subject, 1, now())
    ON CONFLICT (subject_hash) DO UPDATE SET
        failures = CASE WHEN f.last_at < now() - CAST(:forget AS interval) THEN 1 ELSE f.failures + 1 END,
        last_at = now(),
        locked_until = CASE WHEN f.last_at >= now() - CAST(:forget AS interval) AND f.failures + 1 >= :lock_after
            THEN now() + make_interval(
                secs => least(:first * 2 ^ least(f.failures + 1 - :lock_after, :steps), :longest)
            ) END
    RETURNING failures
    """
)
_FORGIVE: Final = sql_text("DELETE FROM sign_in_failures WHERE subject_hash = :subject")
# Both are made for tries at passwords, and are asked alike whether there is an account or not.
_LOCKED_FOR: Final = """
SELECT extract(epoch FROM locked_until - now())::float8 FROM sign_in_failures
 WHERE subject_hash = %(subject)s AND locked_until > now()
"""
_DEVICE: Final = """
SELECT id FROM devices
 WHERE token_hash = %(device)s AND user_id = {user_id} AND revoked_at IS NULL AND expires_at > now()
"""
_STANDING: Final = sql(f"SELECT ({_DEVICE.format(user_id='%(user_id)s')}), ({_LOCKED_FOR})")
_BY_EMAIL: Final = sql(f"""
SELECT ({_DEVICE.format(user_id="users.id")}), ({_LOCKED_FOR}), {COLUMNS}
  FROM (SELECT 1) AS always LEFT JOIN users ON email_key = %(key)s
""")  # noqa: S608 — all of it is ours
_SUBJECT: Final = "sign_in_failures.subject"


class Admission(msgspec.Struct, frozen=True):
    """One try that was let through; to be ended by `failed` or `succeeded`.

    Attributes:
        subject_hash: what its failures are counted under.
        known_device: the caller has signed in to this account from here before.
    """

    subject_hash: bytes
    known_device: bool


class SignInGuard:
    """Admits tries at passwords, and counts what guards other secrets.

    Args:
        db: keeps consecutive failures.
        sealer: fingerprints subjects: neither store learns whose account it is.
        limiter: counts in Redis.
        notifier: tells owners that their account is locked to unknown devices.
        limits: how much of what there may be.

    Attributes:
        rates: how much of what there may be for one account, or one address that is asked for.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        limiter: RateLimiter,
        notifier: Notifier,
        limits: LimitSettings | None = None,
    ) -> None:
        self._limits = limits or LimitSettings()
        self.rates = self._limits.rates
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
        self._let_through(await self._check(self._use(name, subject, limit)))

    async def limit_address(self, name: str, client: ClientInfo, limit: RateLimit) -> None:
        """Count one use of `name` by a caller's address, of which it has more than the `limit` of one account.

        Raises: as `limit`.
        """
        await self.limit(f"{name}.address", client.address, self._limits.of_address(limit))

    async def limit_of_user(
        self, name: str, user_id: UUID, client: ClientInfo, limit: RateLimit, *, session_id: UUID | None = None
    ) -> None:
        """Count one use of `name` for a user: a try at a second factor, or a message with a code.

        A stranger who knows the password must not use up what the owner has: a session of theirs, and a device that has
        signed in to the account before, have a budget each. All sessions together have twice that, all devices too, so
        that guesses stay bounded, however many somebody has.

        Args:
            name: of what is counted.
            user_id: whose account.
            client: from where.
            limit: for strangers, and for each session and each device.
            session_id: the user's session that it is done in; None: nobody is signed in.

        Raises: as `limit`.
        """
        place, own = "session", session_id
        if own is None:
            place = "device"
            [own] = await self._read(f"SELECT ({_DEVICE.format(user_id='%(user_id)s')})", "", client, user_id=user_id)
        if own is None:
            await self.limit(name, str(user_id), limit)
            return
        together = RateLimit(limit.limit * 2, limit.window)
        each = self._use(f"{name}.{place}", f"{user_id}\n{own}", limit)
        self._let_through(await self._check(each, self._use(f"{name}.{place}s", str(user_id), together)))

    async def asked_for(self, name: str, subject: str, asker: str, limit: RateLimit, *, lasts: int = 0) -> bool:
        """Count a message that somebody asks for in the name of `subject`, who may know nothing of it.

        Strangers must not use up what its owner may ask for. Beyond `limit` there is a reserve for askers who asked
        for none within the limit's window; and where what was sent is no good any more, the next one is let through,
        whoever asks: so the owner always has one that works, or gets one.

        Args:
            name: of what is counted.
            subject: whom the message goes to.
            asker: the caller's address, or whoever else asks.
            limit: of messages in the window.
            lasts: seconds for which what the message holds can be used; 0: nothing is let through for that.

        Returns:
            Whether it is one beyond the limit.

        Raises: as `limit`.
        """
        fresh = await self.has_room(f"{name}.asker", f"{asker}\n{subject}", RateLimit(1, limit.window))
        decision = await self._check(self._use(f"{name}.subject", subject, limit))
        if decision.allowed:
            return False
        if fresh and await self.has_room(f"{name}.reserve", subject, RESERVE):
            return True
        if lasts and await self.has_room(f"{name}.renewal", subject, RateLimit(1, lasts)):
            return True
        self._let_through(decision)
        return True

    async def has_room(self, name: str, subject: str, limit: RateLimit) -> bool:
        """Count as `limit` does, for what is left out silently once there was enough of it, such as another mail.

        Raises:
            GuardUnavailableError: Redis does not answer.
        """
        return (await self._check(self._use(name, subject, limit))).allowed

    async def admit(self, user_id: UUID, client: ClientInfo) -> Admission:
        """Let one try through at the password of somebody who is signed in; counted apart from their sign-ins.

        Args:
            user_id: whose password.
            client: where the try comes from.

        Raises:
            GuardLimitedError: too many tries, or locked after too many failures.
            GuardUnavailableError: Redis does not answer.
        """
        subject = f"user:{user_id}"
        device, locked_for = await self._read(_STANDING, subject, client, user_id=user_id)
        return await self._admit(subject, client, device=device, locked_for=locked_for)

    async def admit_by_email(self, email: str, client: ClientInfo) -> tuple[User | None, Admission]:
        """Let one try at signing in through; the account with this address is read in the same breath.

        Does the same work for every address, known or not. Errors as `admit`.
        """
        subject, key = email_subject(email), email_key(email) or ""  # no row has the empty key
        device, locked_for, *columns = await self._read(_BY_EMAIL, subject, client, key=key)
        admission = await self._admit(subject, client, device=device, locked_for=locked_for)
        return None if columns[0] is None else User(*columns), admission

    async def failed(self, admission: Admission, client: ClientInfo, *, user: User | None, kind: str) -> None:
        """Write down that the try was wrong, in a transaction of its own; tells the owner when this locks the account.

        Args:
            admission: of `admit`.
            client: from where.
            user: whose account; None where there is none.
            kind: of the security event, such as "sign_in.failed".
        """
        async with self._db.platform() as session:
            failures = await session.scalar(_COUNT, _parameters(admission.subject_hash))
            detail = {"failures": failures, "known_device": admission.known_device}
            await record_event(
                session, kind, user_id=user.id if user else None, actor="anonymous", client=client, detail=detail
            )
            if failures == LOCK_AFTER:
                # Equal work for accounts that do not exist: the tenth failure must not tell them apart either.
                to = user.target if user else EmailTarget("nobody@singrkaraoke.com", "Nobody")
                known = user is not None and user.usable
                about = user.id if user else None
                await record_event(session, "account.locked", user_id=about, actor="anonymous", client=client)
                # The count must stand whoever can be told of it.
                async with undone_alone(session, "account_locked"):
                    await send_security_notice(session, self._notifier, to, "account_locked", client, really=known)

    async def succeeded(self, admission: Admission, session: PlatformSession) -> None:
        """Forget the failures of this subject, and of this subject alone."""
        await session.execute(_FORGIVE, {"subject": admission.subject_hash})

    async def forgive(self, session: PlatformSession, subject: str) -> None:
        """Forget the failures of a subject on unknown devices: its owner has proved themselves in another way."""
        for subject_hash in self._sealer.fingerprints(subject, context=_SUBJECT):
            await session.execute(_FORGIVE, {"subject": subject_hash})

    def _use(self, name: str, subject: str, limit: RateLimit) -> LimitCheck:
        key = self._sealer.fingerprint(subject, context=f"guard.{name}").hex()
        return LimitCheck(f"guard:{name}:{key}", limit.limit, limit.window)

    async def _check(self, first: LimitCheck, *more: LimitCheck) -> Decision:
        try:
            return await self._limiter.check_in_turn(first, *more)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise GuardUnavailableError from error

    @staticmethod
    def _let_through(decision: Decision) -> None:
        if not decision.allowed:
            raise GuardLimitedError(max(1, math.ceil(decision.retry_after)), decision.limit)

    async def _admit(
        self, subject: str, client: ClientInfo, *, device: UUID | None, locked_for: float | None
    ) -> Admission:
        if device is None:
            of_address = self._limits.of_address(self.rates.sign_in)
            by_address = self._use("sign_in.address", client.address, of_address)
            tries = self._use("sign_in.subject", subject, self.rates.sign_in)
            self._let_through(await self._check(by_address, tries))
        else:
            subject = f"{subject}|device:{device}"
            await self.limit("sign_in.subject", subject, self.rates.sign_in)
            [locked_for] = await self._read(f"SELECT ({_LOCKED_FOR})", subject, client)
        if locked_for is not None:
            raise GuardLimitedError(max(1, math.ceil(locked_for)))
        return Admission(self._sealer.fingerprint(subject, context=_SUBJECT), device is not None)

    async def _read(self, statement: str, subject: str, client: ClientInfo, **more: object) -> tuple[Any, ...]:
        parameters = {
            "subject": self._sealer.fingerprint(subject, context=_SUBJECT),
            "device": presented_hash(client) or b"",  # no device has the empty hash
            **more,
        }
        async with self._db.psycopg.connection() as connection:
            row = await (await connection.execute(statement, parameters)).fetchone()
        return row or ()


def _parameters(subject_hash: bytes) -> dict[str, object]:
    return {
        "subject": subject_hash,
        "forget": _FORGET,
        "lock_after": LOCK_AFTER,
        "first": FIRST_LOCK_SECONDS,
        "steps": _STEPS,
        "longest": LONGEST_LOCK_SECONDS,
    }
