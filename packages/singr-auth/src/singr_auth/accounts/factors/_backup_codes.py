"""Backup codes: ten codes for the day on which the second factor is lost, each good once."""

from typing import Final
from uuid import UUID

from singr_auth import CodeError, new_backup_codes, normalise_backup_code
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import CodeRefusedError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._sending import OwnerNotices
from singr_config import Secret
from singr_db import PlatformSession, Sealer, sql_text

_DROP: Final = sql_text("DELETE FROM backup_codes WHERE user_id = :user_id")
_INSERT: Final = sql_text(
    "INSERT INTO backup_codes (user_id, code_hash) SELECT :user_id, hash FROM unnest(CAST(:hashes AS bytea[])) AS hash"
)
_USE: Final = sql_text(
    """
    UPDATE backup_codes SET used_at = clock_timestamp()
     WHERE user_id = :user_id AND code_hash = ANY(CAST(:hashes AS bytea[])) AND used_at IS NULL RETURNING user_id
    """
)
_LEFT: Final = sql_text("SELECT count(*) FROM backup_codes WHERE user_id = :user_id AND used_at IS NULL")


class BackupCodes:
    """Makes backup codes, and uses them up.

    Only keyed fingerprints are stored: 39 bits would not stand against guessing from a copy of the database alone.

    Args:
        sealer: fingerprints codes.
        owner_notices: tells the owner of each use.
    """

    def __init__(self, sealer: Sealer, owner_notices: OwnerNotices) -> None:
        self._sealer = sealer
        self._owner_notices = owner_notices

    async def replace(self, session: PlatformSession, user_id: UUID) -> tuple[Secret, ...]:
        """Make ten codes, to be shown once, in the caller's transaction; earlier ones open nothing any more."""
        codes = new_backup_codes()
        await self.drop(session, user_id)
        hashes = [self._fingerprints(user_id, code.reveal())[0] for code in codes]
        await session.execute(_INSERT, {"user_id": user_id, "hashes": hashes})
        return codes

    async def drop(self, session: PlatformSession, user_id: UUID) -> None:
        """Take all codes of a user away, in the caller's transaction."""
        await session.execute(_DROP, {"user_id": user_id})

    async def left(self, session: PlatformSession, user_id: UUID) -> int:
        """Return how many codes a user has left."""
        return int(await session.scalar(_LEFT, {"user_id": user_id}) or 0)

    async def use(
        self, session: PlatformSession, user_id: UUID, code: str, client: ClientInfo, *, attempts_left: int = 0
    ) -> int:
        """Use a code up, in the caller's transaction: of any number at once, one gets through.

        Returns:
            How many are left.

        Raises:
            CodeRefusedError: the user has no such code, or it was used.
        """
        try:
            bare = normalise_backup_code(code)
        except CodeError:
            raise CodeRefusedError(attempts_left) from None
        hashes = list(self._fingerprints(user_id, bare))
        if await session.scalar(_USE, {"user_id": user_id, "hashes": hashes}) is None:
            raise CodeRefusedError(attempts_left)
        left = await self.left(session, user_id)
        await record_event(session, "backup_code.used", user_id=user_id, client=client, detail={"left": left})
        await self._owner_notices.send(session, user_id, "backup_code_used", client)
        return left

    def _fingerprints(self, user_id: UUID, code: str) -> tuple[bytes, ...]:
        return self._sealer.fingerprints(code, context=f"backup_codes:{user_id}")
