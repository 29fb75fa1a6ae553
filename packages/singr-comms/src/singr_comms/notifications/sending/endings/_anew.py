"""What is tried anew: it had ended, its job had, or people say that it is to be sent again. It is one more call."""

from typing import Any, Final
from uuid import UUID

from singr_comms.notifications.sending import _ledger_sql as sql
from singr_comms.notifications.sending._policy import BREATH
from singr_comms.notifications.sending._try import FLAGGED, JUST_TRIED, Refused, told
from singr_comms.notifications.sending.endings._ends import as_json
from singr_db import TenantSession
from singr_jobs import RetryLater

_ENDED: Final = frozenset({"failed", "suppressed"})
_WAITS: Final = "it waits: "


def is_anew(row: Any, last: Any) -> bool:
    """Whether a message that may be sent is tried anew, and was not since it ended.

    Args:
        row: of the message.
        last: its last attempt; None where there is none, or none is known any more.
    """
    flagged = row.status == "unknown" and (row.error or {}).get("code") == FLAGGED.code
    return row.status in _ENDED or flagged or (last is not None and (last.had_ended or last.job_anew))


def draw_breath(row: Any, last: Any, remaining: float) -> None:
    """Let pass some seconds between calls about a message, however often somebody has it tried at once.

    Tries of one job are as far apart as its type says; but what was put off before, or is tried anew, waits.

    Raises:
        RetryLater: it was tried a moment ago.
    """
    waited = _waited(row, last)
    if waited is None or waited >= BREATH:
        return
    said = row.error if row.status == "queued" and row.error else told(JUST_TRIED)
    seconds = min(BREATH - max(waited, 0.0), remaining)
    raise RetryLater(seconds, str(said.get("code")), f"{_WAITS}{said.get('message')}", counts=False)


def _waited(row: Any, last: Any) -> float | None:
    """Seconds since the call after which a pause is due; None where none is."""
    if last is None or is_anew(row, last):
        return None if last is None else float(last.age)
    if row.status != "queued":
        return None
    if last.put_off_for is not None:
        return float(last.put_off_for)
    # Of this provider: another one may have been asked in the same try.
    return last.asked if last.put_off else None


async def held(session: TenantSession, message_id: UUID, row: Any) -> None:
    """Note that something else than its reader holds it up from now on; what had ended is queued, and says so."""
    if row.status == "failed":
        await session.execute(sql.HAD_ENDED, {"id": message_id})
    await session.execute(sql.HELD, {"id": message_id})


async def waits(session: TenantSession, message_id: UUID, why: RetryLater) -> None:
    """Let what had ended, and waits now that it is tried anew, be queued: its day runs from here on."""
    row = (await session.execute(sql.LOCK, {"id": message_id})).one_or_none()
    # One without an attempt has no row that could say so: it goes on waiting as what has ended.
    if row is not None and row.attempts and (row.status == "failed" or await is_tried_again(session, message_id, row)):
        await session.execute(sql.HAD_ENDED, {"id": message_id})
        said = as_json(Refused(why.code, why.message.removeprefix(_WAITS)))
        await session.execute(sql.LEFT, {"id": message_id, "error": said})


async def is_tried_again(session: TenantSession, message_id: UUID, row: Any) -> bool:
    """Whether a message that is suppressed with its job may be sent, as somebody lets that be tried again."""
    if row.status != "suppressed" or (row.error or {}).get("code") != "cancelled":
        return False
    return bool(await session.scalar(sql.TRIED_AGAIN, {"id": message_id}))
