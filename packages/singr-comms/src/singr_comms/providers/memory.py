"""Providers that keep what they are given: for tests, yours included."""

from collections import deque
from typing import Final, Generic, TypeVar

from singr_comms.channels._channel import SendReceipt
from singr_comms.channels.email import EmailEnvelope, check_email, render_email
from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms

_NAME: Final = "memory"
_Envelope = TypeVar("_Envelope", EmailEnvelope, SmsEnvelope)


class _Memory(Generic[_Envelope]):
    """What both channels share.

    Args:
        takes_idempotency_key: Behave as a provider that drops a second message with the same token.
    """

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        self.sent: list[_Envelope] = []
        self._takes_idempotency_key = takes_idempotency_key
        self._failures: deque[BaseException] = deque()

    @property
    def name(self) -> str:
        """``memory``."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """As it was built."""
        return self._takes_idempotency_key

    def fail_next(self, *errors: BaseException) -> None:
        """Raise these, one per call, before anything else is taken."""
        self._failures.extend(errors)

    def _take(self, envelope: _Envelope) -> SendReceipt:
        if self._failures:
            raise self._failures.popleft()
        known = any(one.idempotency_token == envelope.idempotency_token for one in self.sent)
        if not (known and self._takes_idempotency_key):
            self.sent.append(envelope)
        return SendReceipt(_NAME, f"memory-{envelope.idempotency_token}")


class MemoryEmailProvider(_Memory[EmailEnvelope]):
    """Keeps e-mails in ``sent``."""

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Render (so that a broken message fails here too) and keep."""
        render_email(check_email(envelope).message)
        return self._take(envelope)


class MemorySmsProvider(_Memory[SmsEnvelope]):
    """Keeps SMS in ``sent``."""

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Render (so that a broken message fails here too) and keep."""
        render_sms(check_sms(envelope).message)
        return self._take(envelope)
