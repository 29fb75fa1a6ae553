"""Tokens that open one thing once: the link in a mail, and the code beside it.

The table holds hashes only. A token is used up by one statement, so that of any number of concurrent uses one wins.
Flows lock the person's row first and the token after it, everywhere in this order: so they cannot wait in a circle.
"""

import datetime as dt
import hmac
from typing import Final, Literal
from uuid import UUID

import msgspec

from singr_auth import OpaqueToken, TokenError, TokenKind, new_token, parse_token
from singr_auth.accounts._errors import TokenRefusedError
from singr_config import Secret
from singr_db import PlatformSession, Sealer, new_id, sql_text

Purpose = Literal["email_verification", "email_change", "password_reset", "magic_link"]
CODE_TRIES: Final = 5
"""How many codes may be tried against one token."""

_KINDS: Final[dict[Purpose, TokenKind]] = {
    "email_verification": TokenKind.EMAIL,
    "email_change": TokenKind.EMAIL_CHANGE,
    "password_reset": TokenKind.PASSWORD_RESET,
    "magic_link": TokenKind.MAGIC_LINK,
}
# Selects from users, so that issuing for nobody is the same statement and adds nothing.
_ISSUE: Final = sql_text(
    """
    INSERT INTO one_time_tokens (id, token_hash, kind, user_id, code_hash, data_sealed, expires_at)
    SELECT :id, :token_hash, :kind, users.id, CAST(:code_hash AS bytea), CAST(:data_sealed AS bytea),
        now() + make_interval(secs => :ttl)
    FROM users WHERE users.id = :user_id
    """
)
_FIND: Final = sql_text(
    """
    SELECT id, kind, user_id, data_sealed, created_at FROM one_time_tokens
    WHERE token_hash = :token_hash AND kind = :kind AND used_at IS NULL AND expires_at > now()
    """
)
_USE: Final = sql_text(
    "UPDATE one_time_tokens SET used_at = now() WHERE id = :id AND used_at IS NULL AND expires_at > now() RETURNING id"
)
# No kinds are all kinds, those that only the next release knows among them.
_KILL: Final = sql_text(
    """
    UPDATE one_time_tokens SET used_at = now()
    WHERE user_id = :user_id AND used_at IS NULL AND (kind = ANY(:kinds) OR :kinds = CAST('{}' AS text[]))
    """
)
_TRY_CODE: Final = sql_text(
    """
    UPDATE one_time_tokens SET failed_codes = failed_codes + 1
    WHERE id = (
        SELECT id FROM one_time_tokens
        WHERE user_id = :user_id AND kind = :kind AND code_hash IS NOT NULL AND used_at IS NULL AND expires_at > now()
        ORDER BY id DESC LIMIT 1
    ) AND failed_codes < :tries AND used_at IS NULL
    RETURNING id, kind, user_id, data_sealed, created_at, code_hash
    """
)
NOBODY: Final = UUID(int=0)
"""In place of an account that there is not, so that the same is done for everybody."""
BY_SMS: Final = "sms"
"""The data of a token that went to a phone."""


class OneTimeToken(msgspec.Struct, frozen=True):
    """A token that was found in force; still to be used up.

    Attributes:
        data: what was kept with it; "" where nothing was.
    """

    id: UUID
    purpose: Purpose
    user_id: UUID
    created_at: dt.datetime
    data: str = ""


class CodeTry(msgspec.Struct, frozen=True):
    """One counted try at a code: ask `fits` once the count is committed."""

    token: OneTimeToken
    code_hash: bytes


class OneTimeTokens:
    """Issues, finds and uses up one-time tokens. Nothing here commits: the flow's transaction does."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def issue(
        self,
        session: PlatformSession,
        purpose: Purpose,
        user_id: UUID | None,
        *,
        ttl: int,
        code: Secret | None = None,
        data: str = "",
    ) -> OpaqueToken:
        """Make a token that lives for `ttl` seconds; for None, or an id that is nobody's, one that opens nothing.

        Args:
            session: the caller's transaction.
            purpose: what it opens.
            user_id: whose it is.
            ttl: seconds.
            code: a second way to use it up, told beside the link and never part of it.
            data: kept sealed.
        """
        token_id, token = new_id(), new_token(_KINDS[purpose])
        row = {
            "id": token_id,
            "token_hash": token.hash,
            "kind": purpose,
            "user_id": user_id or NOBODY,
            "code_hash": None if code is None else self._code_hash(token_id, code.reveal()),
            "data_sealed": self._sealer.seal(data.encode(), context=_context(token_id)) if data else None,
            "ttl": ttl,
        }
        await session.execute(_ISSUE, row)
        return token

    async def find(self, session: PlatformSession, presented: Secret, purpose: Purpose) -> OneTimeToken:
        """Return the token in force that was presented, without using it up.

        Raises:
            TokenRefusedError: malformed, unknown, for another purpose, expired or used.
        """
        try:
            token = parse_token(_KINDS[purpose], presented.reveal())
        except TokenError:
            raise TokenRefusedError from None
        found = await session.execute(_FIND, {"token_hash": token.hash, "kind": purpose})
        row = found.one_or_none()
        if row is None:
            raise TokenRefusedError
        return OneTimeToken(row.id, row.kind, row.user_id, row.created_at, self._opened(row.id, row.data_sealed))

    async def use(self, session: PlatformSession, token: OneTimeToken) -> None:
        """Use the token up; lock its owner's row before.

        Raises:
            TokenRefusedError: somebody else was first, or it has expired meanwhile.
        """
        if await session.scalar(_USE, {"id": token.id}) is None:
            raise TokenRefusedError

    @staticmethod
    async def kill(session: PlatformSession, user_id: UUID | None, *purposes: Purpose) -> None:
        """Make all unused tokens of a person for these purposes worthless (all purposes, unless any is named)."""
        await session.execute(_KILL, {"user_id": user_id or NOBODY, "kinds": list(purposes)})

    async def count_try(self, session: PlatformSession, user_id: UUID | None, purpose: Purpose) -> CodeTry | None:
        """Count one try at the code of a person's newest token; commit this before asking `fits`.

        Returns:
            None where no token in force has tries left (or there is no such person).
        """
        row = (
            await session.execute(_TRY_CODE, {"user_id": user_id or NOBODY, "kind": purpose, "tries": CODE_TRIES})
        ).one_or_none()
        if row is None:
            return None
        token = OneTimeToken(row.id, row.kind, row.user_id, row.created_at, self._opened(row.id, row.data_sealed))
        return CodeTry(token, bytes(row.code_hash))

    def fits(self, tried: CodeTry | None, code: str) -> bool:
        """Tell whether the code is the token's; takes the same time where there is none."""
        token_id, expected = (tried.token.id, tried.code_hash) if tried else (NOBODY, bytes(32))
        matches = [
            hmac.compare_digest(expected, given)
            for given in self._sealer.fingerprints(code, context=f"code:{token_id}")
        ]
        return tried is not None and any(matches)

    def _code_hash(self, token_id: UUID, code: str) -> bytes:
        return self._sealer.fingerprint(code, context=f"code:{token_id}")

    def _opened(self, token_id: UUID, sealed: bytes | None) -> str:
        return "" if sealed is None else self._sealer.open(bytes(sealed), context=_context(token_id)).decode()


def _context(token_id: UUID) -> str:
    return f"one_time_tokens.data:{token_id}"
