"""Challenges: what somebody has begun and must prove to finish, within minutes and a handful of tries."""

import hmac
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_auth import CodeError, OpaqueToken, TokenError, TokenKind, check_code_form, new_code, new_token, parse_token
from singr_auth.accounts._errors import CodeRefusedError, TokenRefusedError
from singr_config import Secret
from singr_config.constants import SECOND_FACTOR
from singr_db import Database, PlatformSession, Sealer, new_id, sql_text

ChallengeKind = Literal["second_factor", "phone", "passkey_sign_in", "passkey_registration"]

MOST_ATTEMPTS: Final = 5
MOST_SENDS: Final = 5
CHALLENGE_SECONDS: Final = 600

_COLUMNS: Final = (
    "id, kind, user_id, first_factor, method, data_sealed, code_hash, attempts,"
    " coalesce(code_expires_at > clock_timestamp(), false) AS code_in_force"
)
_IN_FORCE: Final = "used_at IS NULL AND expires_at > clock_timestamp()"

_INSERT: Final = sql_text(
    """
    INSERT INTO auth_challenges (id, token_hash, kind, user_id, first_factor, method, data_sealed, expires_at)
    VALUES (:id, :hash, :kind, :user_id, :first_factor, :method, :data_sealed, now() + make_interval(secs => :seconds))
    """
)
_FIND: Final = sql_text(
    f"""
    SELECT {_COLUMNS} FROM auth_challenges WHERE token_hash = :hash AND kind = :kind AND {_IN_FORCE}
    """  # noqa: S608 — constants
)
_PENDING: Final = sql_text(
    f"""
    SELECT {_COLUMNS} FROM auth_challenges
    WHERE user_id = :user_id AND kind = :kind AND first_factor IS NULL AND method = :method AND {_IN_FORCE}
    ORDER BY id DESC LIMIT 1
    """  # noqa: S608 — constants
)
_DROP_PENDING: Final = sql_text(
    """
    DELETE FROM auth_challenges
    WHERE user_id = :user_id AND kind = :kind AND first_factor IS NULL AND method = :method
    """
)
_COUNT: Final = sql_text(
    f"""
    UPDATE auth_challenges SET attempts = attempts + 1
    WHERE id = :id AND attempts < :most AND {_IN_FORCE} RETURNING {_COLUMNS}
    """  # noqa: S608 — constants
)
_SET_CODE: Final = sql_text(
    f"""
    UPDATE auth_challenges SET method = :method, code_hash = :code_hash, sends = sends + 1,
           code_expires_at = clock_timestamp() + make_interval(secs => :seconds)
     WHERE id = :id AND sends < :most AND attempts < :most_attempts AND {_IN_FORCE} RETURNING id
    """  # noqa: S608 — constants
)
_CONSUME: Final = sql_text(
    f"""
    UPDATE auth_challenges SET used_at = clock_timestamp()
     WHERE id = :id AND {_IN_FORCE}
       AND code_hash IS NOT DISTINCT FROM coalesce(CAST(:code_hash AS bytea), code_hash) RETURNING id
    """  # noqa: S608 — constants
)


class Challenge(msgspec.Struct, frozen=True):
    """A challenge in force, as it was read.

    Attributes:
        first_factor: what was proved before; None: this is no sign-in.
        method: which way the code was sent last.
        attempts: how many tries it took so far.
        code_in_force: the code, if there is one, has not expired.
    """

    id: UUID
    kind: str
    user_id: UUID | None
    first_factor: str | None
    method: str | None
    data_sealed: bytes | None
    code_hash: bytes | None
    attempts: int
    code_in_force: bool

    @property
    def attempts_left(self) -> int:
        """How many tries it takes still."""
        return max(0, MOST_ATTEMPTS - self.attempts)


class Challenges:
    """Makes challenges, counts tries, and lets each be used once.

    Args:
        db: opened; tries are counted in transactions of their own.
        sealer: for what a challenge carries, and for codes.
    """

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._db = db
        self._sealer = sealer

    async def create(
        self,
        session: PlatformSession,
        kind: ChallengeKind,
        *,
        user_id: UUID | None,
        first_factor: str | None = None,
        method: str | None = None,
        data: bytes | None = None,
        seconds: int = CHALLENGE_SECONDS,
    ) -> tuple[UUID, OpaqueToken]:
        """Make a challenge in the caller's transaction; returns its id and the token that names it."""
        challenge_id, token = new_id(), new_token(TokenKind.CHALLENGE)
        sealed = None if data is None else self._sealer.seal(data, context=_data_context(challenge_id))
        row: dict[str, Any] = {
            "id": challenge_id,
            "hash": token.hash,
            "kind": kind,
            "user_id": user_id,
            "first_factor": first_factor,
            "method": method,
            "data_sealed": sealed,
            "seconds": seconds,
        }
        await session.execute(_INSERT, row)
        return challenge_id, token

    async def replace_pending(
        self, session: PlatformSession, kind: ChallengeKind, user_id: UUID, method: str, data: bytes
    ) -> UUID:
        """Make the one challenge of its kind and method that a signed-in user has to finish; earlier ones are gone."""
        await session.execute(_DROP_PENDING, {"user_id": user_id, "kind": kind, "method": method})
        challenge_id, _ = await self.create(session, kind, user_id=user_id, method=method, data=data)
        return challenge_id

    async def find(self, session: PlatformSession, presented: Secret, kind: ChallengeKind) -> Challenge:
        """Return the challenge that a token names.

        Raises:
            TokenRefusedError: there is none in force.
        """
        try:
            token = parse_token(TokenKind.CHALLENGE, presented.reveal())
        except TokenError:
            raise TokenRefusedError from None
        row = (await session.execute(_FIND, {"hash": token.hash, "kind": kind})).mappings().one_or_none()
        if row is None:
            raise TokenRefusedError
        return Challenge(**row)

    async def pending(
        self, session: PlatformSession, kind: ChallengeKind, user_id: UUID, method: str
    ) -> Challenge | None:
        """Return what a signed-in user began last and has not finished."""
        parameters = {"user_id": user_id, "kind": kind, "method": method}
        row = (await session.execute(_PENDING, parameters)).mappings().one_or_none()
        return None if row is None else Challenge(**row)

    async def count_attempt(self, challenge_id: UUID) -> Challenge:
        """Take one of the challenge's tries, in a transaction of its own: before anything is compared.

        Raises:
            CodeRefusedError: there are none left, or the challenge was used or has expired meanwhile.
        """
        async with self._db.platform() as session:
            parameters = {"id": challenge_id, "most": MOST_ATTEMPTS}
            row = (await session.execute(_COUNT, parameters)).mappings().one_or_none()
        if row is None:
            raise CodeRefusedError
        return Challenge(**row)

    async def set_code(self, session: PlatformSession, challenge_id: UUID, method: str) -> Secret:
        """Draw a code, which takes the place of an earlier one; the tries that were taken stay taken.

        Raises:
            TokenRefusedError: the challenge has no tries or no sends left, or is not in force any more.
        """
        code = new_code()
        await self._sent(session, challenge_id, method, self._fingerprints(challenge_id, code.reveal())[0])
        return code

    async def set_sent_elsewhere(self, session: PlatformSession, challenge_id: UUID, method: str) -> None:
        """Note that a service sends a code of its own; errors as `set_code`."""
        await self._sent(session, challenge_id, method, None)

    def matching(self, challenge: Challenge, method: str, code: str) -> bytes:
        """Return the stored fingerprint that `code` has.

        Raises:
            CodeRefusedError: it is another code, or none, or it expired, or it was sent another way.
        """
        try:
            bare = check_code_form(code)
        except CodeError:
            raise CodeRefusedError(challenge.attempts_left) from None
        stored = bytes(challenge.code_hash or b"")
        found = [hmac.compare_digest(mine, stored) for mine in self._fingerprints(challenge.id, bare)]
        if not any(found) or not challenge.code_in_force or challenge.method != method:
            raise CodeRefusedError(challenge.attempts_left)
        return stored

    def data(self, challenge: Challenge) -> bytes:
        """Return what was sealed into the challenge."""
        return self._sealer.open(bytes(challenge.data_sealed or b""), context=_data_context(challenge.id))

    async def consume(self, session: PlatformSession, challenge_id: UUID, *, code_hash: bytes | None = None) -> None:
        """Use the challenge up, in the caller's transaction: of any number at once, one gets through.

        Args:
            session: the transaction of what was proved; where it is rolled back, the challenge is as before.
            challenge_id: which.
            code_hash: what `matching` returned: a code that was replaced meanwhile does not count.

        Raises:
            TokenRefusedError: it was used, or has expired.
        """
        if await session.scalar(_CONSUME, {"id": challenge_id, "code_hash": code_hash}) is None:
            raise TokenRefusedError

    async def consume_typed(
        self, session: PlatformSession, challenge_id: UUID, *, code_hash: bytes | None = None
    ) -> None:
        """Use up a challenge that only a code names, which somebody who is signed in has typed; as `consume`.

        Raises:
            CodeRefusedError: the code was used, or has expired.
        """
        try:
            await self.consume(session, challenge_id, code_hash=code_hash)
        except TokenRefusedError:
            raise CodeRefusedError from None

    async def _sent(self, session: PlatformSession, challenge_id: UUID, method: str, code_hash: bytes | None) -> None:
        row = {
            "id": challenge_id,
            "method": method,
            "code_hash": code_hash,
            "seconds": SECOND_FACTOR.code_seconds,
            "most": MOST_SENDS,
            "most_attempts": MOST_ATTEMPTS,
        }
        if await session.scalar(_SET_CODE, row) is None:
            raise TokenRefusedError

    def _fingerprints(self, challenge_id: UUID, code: str) -> tuple[bytes, ...]:
        return self._sealer.fingerprints(code, context=f"code:{challenge_id}")


def _data_context(challenge_id: UUID) -> str:
    return f"auth_challenges.data:{challenge_id}"
