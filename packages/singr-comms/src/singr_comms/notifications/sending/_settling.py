"""Finds out from a provider what became of a message that was perhaps sent."""

import hashlib
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._errors import PermanentSendError, SendError, TransientError, UnknownOutcomeError
from singr_comms.channels._channel import LooksUp, SendReceipt
from singr_comms.notifications.sending._ledger import Ledger
from singr_comms.notifications.sending._policy import ASKED_FOR, SETTLE_AFTER
from singr_comms.notifications.sending._try import InDoubt, Outcome, Refused, told
from singr_db import Database, sql_text
from singr_jobs import PermanentError, RetryLater
from singr_observability import client_span, get_logger

# Seconds between two questions about one message, where no answer came.
_ASK_AGAIN: Final = 60.0
# Of all organizations: they share the provider's account, and two of them may write the same words to one number.
_OF_ANOTHER: Final = sql_text("""
SELECT EXISTS (SELECT FROM messages
                WHERE provider = :provider AND provider_message_id = :provider_message_id AND id <> :id)
""")
# Asked to the same effect again, it is the same line: an hour of questions is no more than a few.
_TOLD: Final = sql_text("""
INSERT INTO message_events (message_id, key_hash, organization_id, provider, event, state, raised, error, occurred_at)
VALUES (:id, :key_hash, :organization_id, :provider, :event, :state, :raised, CAST(:error AS jsonb), clock_timestamp())
ON CONFLICT (message_id, key_hash)
DO UPDATE SET error = excluded.error, occurred_at = excluded.occurred_at
""")


class _Asked(msgspec.Struct, frozen=True):
    """What is asked about: a message's attempt in doubt, at a provider."""

    message_id: UUID
    organization_id: UUID
    provider: str
    doubt: InDoubt


class Settler:
    """Asks for one message at a time; writes what is learnt. No transaction is open meanwhile.

    Args:
        db: the database.
        ledger: where attempts are written.
    """

    def __init__(self, db: Database, ledger: Ledger) -> None:
        self._db = db
        self._ledger = ledger
        self._log = get_logger("singr_comms.settler")

    async def settle(
        self, message_id: UUID, *, organization_id: UUID, channel: str, provider: Any, doubt: InDoubt, envelope: Any
    ) -> SendReceipt:
        """Ask the provider of the attempt in doubt; give the receipt where it has the message.

        Args:
            message_id: the message.
            organization_id: whose it is.
            channel: by which it travels.
            provider: who was called; it can be asked.
            doubt: the attempt.
            envelope: as it was sent.

        Raises:
            RetryLater: it certainly was not taken, and is sent now; or nothing was learnt, and it is asked again.
            PermanentError: the provider took it, and did not send it (its code); or has not taken it for as long as it
                is of use (`expired`); or it cannot be found out, so that people have to (`outcome_unknown`).
        """
        asked = _Asked(message_id, organization_id, provider.name, doubt)
        try:
            with client_span("look up", provider=provider.name, attempt=doubt.attempt):
                receipt = await self._ask(provider, message_id, doubt, envelope)
        except TransientError as error:
            await self._tell(asked, "no_answer", error=told(error))
            if doubt.age < SETTLE_AFTER + ASKED_FOR:
                words = f"whether it was sent is not known yet: {error.message}"
                wait = max(error.retry_after or 0.0, _ASK_AGAIN)
                raise RetryLater(wait, "look_up_failed", words, counts=False) from error
            raise await self.flagged(message_id, organization_id) from error
        except PermanentSendError as error:
            ended = {"attempt_status": "failed", "message_status": "failed", "error": told(error), "ends": True}
            await self._write(asked, "refused", **ended)
            raise PermanentError(error.code, error.message) from error
        except UnknownOutcomeError as error:
            await self._tell(asked, "unclear", error=told(error))
            raise await self.flagged(message_id, organization_id) from error
        if receipt is None:
            words = f"{provider.name} has no such message: it was not taken, and is sent anew"
            absent = {"code": "not_taken", "message": words}
            await self._write(asked, "absent", attempt_status="failed", message_status="queued", error=absent)
            raise await self._sent_anew(asked, channel, words)
        sent = {"attempt_status": "sent", "message_status": "sent", "ends": True}
        await self._write(asked, "found", provider_message_id=receipt.provider_message_id, **sent)
        return receipt

    async def _sent_anew(self, asked: _Asked, channel: str, words: str) -> PermanentError | RetryLater:
        """Send anew what its provider has not got, while it is of use; returns what the job raises.

        It pays no attempt, so its time runs: a provider that fails on this one message does so for a day at most.
        """
        why = f"{asked.provider} did not take it"
        whose = asked.organization_id
        left = await self._ledger.hold(asked.message_id, organization_id=whose, channel=channel, reason=why)
        if isinstance(left, Refused):
            return PermanentError(left.code, left.message)
        return RetryLater(0.0, "not_taken", words, counts=False)

    async def _write(self, asked: _Asked, event: str, **outcome: Any) -> None:
        """Settle the attempt by the provider's answer; raises RetryLater where somebody was faster."""
        settled = await self._ledger.finish(
            asked.message_id,
            organization_id=asked.organization_id,
            attempt=asked.doubt.attempt,
            kind=asked.doubt.kind,
            outcome=Outcome(provider=asked.provider, **outcome),
            settles=True,
        )
        state = outcome["message_status"] if outcome.get("ends") else None
        await self._tell(asked, event, state=state, raised=settled and state is not None, error=outcome.get("error"))
        if not settled:
            raise _said_meanwhile()

    async def _tell(
        self,
        asked: _Asked,
        event: str,
        *,
        state: str | None = None,
        raised: bool = False,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Note the look-up among what providers said of the message."""
        key = f"\0look-up {asked.doubt.attempt} {event}"  # no callback's key begins so
        values = {
            "id": asked.message_id,
            "organization_id": asked.organization_id,
            "key_hash": hashlib.sha256(key.encode()).digest(),
            "provider": asked.provider,
            "event": event,
            "state": state,
            "raised": raised,
            "error": None if error is None else msgspec.json.encode(error).decode(),
        }
        async with self._db.platform() as session:
            await session.execute(_TOLD, values)

    async def _ask(self, provider: LooksUp, message_id: UUID, doubt: InDoubt, envelope: Any) -> SendReceipt | None:
        try:
            receipt = await provider.look_up(envelope, doubt.began_at)
        except SendError:
            raise
        except Exception as error:
            self._log.opt(exception=error).error("a provider broke while it was asked what it sent")
            raise TransientError("internal", f"the provider's code failed: {type(error).__name__}") from error
        if receipt is not None and await self._is_of_another(message_id, receipt):
            # By their words and number alone the two cannot be told apart: this one may have been taken as well.
            raise UnknownOutcomeError("of_another", f"what {receipt.provider} has is another message with these words")
        return receipt

    async def _is_of_another(self, message_id: UUID, receipt: SendReceipt) -> bool:
        found = {"provider": receipt.provider, "provider_message_id": receipt.provider_message_id}
        async with self._db.platform() as session:
            return bool(await session.scalar(_OF_ANOTHER, {"id": message_id, **found}))

    async def flagged(self, message_id: UUID, organization_id: UUID) -> PermanentError | RetryLater:
        """Leave it to people; returns what the job raises."""
        refused = await self._ledger.flag(message_id, organization_id=organization_id)
        return _said_meanwhile() if refused is None else PermanentError(refused.code, refused.message)


def _said_meanwhile() -> RetryLater:
    words = "somebody said what became of it while its provider was asked"
    return RetryLater(0.0, "resolved", words, counts=False)
