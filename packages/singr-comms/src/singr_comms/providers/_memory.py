"""Providers that keep what they are given: for tests, yours included."""

from collections import deque
from typing import Any, Final, Generic, TypeVar

from singr_comms.channels._channel import Channel, Envelope, SendReceipt
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailEnvelope
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.channels.push import PushEnvelope
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.channels.sms import SmsEnvelope
from singr_comms.rendering._templates import DEFAULT_BRAND

_NAME: Final = "memory"
_Envelope = TypeVar("_Envelope", bound=Envelope)


class MemoryProvider(Generic[_Envelope]):
    """Keeps messages of one channel in `sent`.

    Args:
        channel: what it takes.
        takes_idempotency_key: behave as a provider that drops a second message with the same token.
    """

    def __init__(self, channel: Channel[Any, _Envelope], *, takes_idempotency_key: bool = False) -> None:
        self.sent: list[_Envelope] = []
        self._channel = channel
        self._takes_idempotency_key = takes_idempotency_key
        self._failures: deque[BaseException] = deque()

    @property
    def name(self) -> str:
        """`memory`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """As it was built."""
        return self._takes_idempotency_key

    def fail_next(self, *errors: BaseException) -> None:
        """Raise these, one per call, before anything else is taken."""
        self._failures.extend(errors)

    async def send(self, envelope: _Envelope) -> SendReceipt:
        """Render (so that a broken message fails here too) and keep."""
        self._channel.shown(self._channel.check(envelope).message, DEFAULT_BRAND, envelope.locale)
        if self._failures:
            raise self._failures.popleft()
        known = any(one.idempotency_token == envelope.idempotency_token for one in self.sent)
        if not (known and self._takes_idempotency_key):
            self.sent.append(envelope)
        return SendReceipt(self.name, f"{self.name}-{envelope.idempotency_token}")


class MemoryEmailProvider(MemoryProvider[EmailEnvelope]):
    """Keeps e-mails in `sent`."""

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        super().__init__(EMAIL, takes_idempotency_key=takes_idempotency_key)


class MemorySmsProvider(MemoryProvider[SmsEnvelope]):
    """Keeps SMS in `sent`."""

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        super().__init__(SMS, takes_idempotency_key=takes_idempotency_key)


class MemoryPushProvider(MemoryProvider[PushEnvelope]):
    """Keeps pushes in `sent`."""

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        super().__init__(PUSH, takes_idempotency_key=takes_idempotency_key)
