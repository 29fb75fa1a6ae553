"""Writes down what came of an attempt, whatever happens meanwhile: what is not written is a doubt later."""

import asyncio
import contextlib
from typing import Final

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from singr_comms.notifications.sending._ledger import Ledger
from singr_comms.notifications.sending._try import Begun, Outcome, Try
from singr_db import blames_values, is_outage
from singr_observability import get_logger

_DELAYS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_LONGEST_DELAY: Final = 5.0
_NOT_STORABLE: Final = "what the provider said cannot be stored"


class Recorder:
    """Writes outcomes into the ledger, with patience.

    Args:
        ledger: where attempts are written.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._log = get_logger("singr_comms.sender")

    async def record(self, one: Try, begun: Begun, outcome: Outcome) -> None:
        """Write the outcome, however often it is cancelled meanwhile."""
        task = asyncio.ensure_future(self._record(one, begun, outcome))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            one.cut_short.set()
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            if not task.cancelled():
                task.result()
            raise

    async def _record(self, one: Try, begun: Begun, outcome: Outcome) -> None:
        delays = iter(_DELAYS)
        while True:
            try:
                await self._ledger.finish(
                    one.message_id,
                    organization_id=one.organization_id,
                    attempt=begun.attempt,
                    kind=begun.kind,
                    outcome=outcome,
                )
            except (SQLAlchemyError, OSError, TimeoutError, ValueError) as error:
                plain = _plain(outcome) if blames_values(error) else outcome
                # An outage is waited for as long as the attempt may last: what was sent must not be in doubt for it.
                waits = is_outage(error) and not one.cut_short.is_set()
                delay = next(delays, _LONGEST_DELAY if waits else None)
                if delay is None or (plain == outcome and blames_values(error)):
                    raise
                outcome = plain
                self._log.warning("outcome of message {} not recorded yet: {}", one.message_id, type(error).__name__)
                await _slept(delay, unless=one.cut_short)
            else:
                return


async def _slept(seconds: float, *, unless: asyncio.Event) -> None:
    """Wait so long, or until the attempt is cut short."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()


def _plain(outcome: Outcome) -> Outcome:
    """The same outcome without a word of the provider's, for one that the database does not take."""
    error = outcome.error and {"code": "not_storable", "message": _NOT_STORABLE}
    return msgspec.structs.replace(outcome, provider_message_id=None, error=error)
