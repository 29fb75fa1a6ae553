"""TOTP as a second factor (RFC 6238): the secret sealed, and each time step accepted once (section 5.2)."""

from typing import Final
from uuid import UUID

import msgspec

from singr_auth import TotpError, match_totp
from singr_auth.accounts._errors import CodeRefusedError
from singr_config import AuthSettings, Secret
from singr_config.clock import clock
from singr_db import Database, PlatformSession, Sealer, sql_text

_READ: Final = sql_text(
    """
    SELECT secret_sealed, last_step FROM second_factors
    WHERE user_id = :user_id AND method = 'totp' AND confirmed_at IS NOT NULL
    """
)
_USE: Final = sql_text(
    """
    UPDATE second_factors SET last_step = :step, last_used_at = clock_timestamp()
     WHERE user_id = :user_id AND method = 'totp' AND confirmed_at IS NOT NULL AND secret_sealed = :sealed
       AND (last_step IS NULL OR last_step < :step) RETURNING user_id
    """
)
_KEEP: Final = sql_text(
    """
    INSERT INTO second_factors (user_id, method, secret_sealed, last_step, confirmed_at)
    VALUES (:user_id, 'totp', :sealed, :step, now())
    ON CONFLICT (user_id, method) DO UPDATE
       SET secret_sealed = excluded.secret_sealed, last_step = excluded.last_step, created_at = excluded.created_at,
           confirmed_at = excluded.confirmed_at, last_used_at = NULL
    """
)


class TotpProof(msgspec.Struct, frozen=True):
    """A code that was right when it was looked at; `Totp.use` decides whether it still counts."""

    user_id: UUID
    step: int
    sealed: bytes


class Totp:
    """Checks codes of authenticator apps.

    Args:
        db: opened.
        sealer: seals secrets; each opens in its owner's row only.
        auth: gives the window.
    """

    def __init__(self, db: Database, sealer: Sealer, *, auth: AuthSettings) -> None:
        self._db = db
        self._sealer = sealer
        self._window = auth.two_factor_window

    def match(self, secret: Secret, code: str, *, after: int | None = None, attempts_left: int = 0) -> int:
        """Return the time step of a code.

        Raises:
            CodeRefusedError: it is wrong, or of a step that was accepted before.
        """
        try:
            return match_totp(secret, code, now=clock.time(), window=self._window, after=after)
        except TotpError:
            raise CodeRefusedError(attempts_left) from None

    async def check(self, user_id: UUID, code: str, *, attempts_left: int = 0) -> TotpProof:
        """Look at a code; count the try before. Errors as `match`."""
        async with self._db.platform() as session:
            row = (await session.execute(_READ, {"user_id": user_id})).one_or_none()
        if row is None:
            raise CodeRefusedError(attempts_left)
        sealed = bytes(row.secret_sealed)
        secret = Secret(self._sealer.open(sealed, context=totp_context(user_id)).decode())
        step = self.match(secret, code, after=row.last_step, attempts_left=attempts_left)
        return TotpProof(user_id, step, sealed)

    async def use(self, session: PlatformSession, proof: TotpProof, *, attempts_left: int = 0) -> None:
        """Use the code's step up, in the caller's transaction: of any number at once, one gets through.

        Raises:
            CodeRefusedError: the step, or a later one, was used meanwhile, or the secret was replaced.
        """
        row = {"user_id": proof.user_id, "step": proof.step, "sealed": proof.sealed}
        if await session.scalar(_USE, row) is None:
            raise CodeRefusedError(attempts_left)

    async def keep(self, session: PlatformSession, user_id: UUID, secret: Secret, *, step: int) -> None:
        """Make a secret the user's factor, confirmed by the code of `step`; an earlier one opens nothing any more."""
        sealed = self._sealer.seal(secret.reveal().encode(), context=totp_context(user_id))
        await session.execute(_KEEP, {"user_id": user_id, "sealed": sealed, "step": step})


def totp_context(user_id: UUID) -> str:
    """Return the context that `second_factors.secret_sealed` is sealed for: its row's own."""
    return f"second_factors.secret:{user_id}"
