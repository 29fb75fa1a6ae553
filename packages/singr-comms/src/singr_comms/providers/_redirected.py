"""All e-mail to one address, while developing: the mails are those that would go, and say whom they are meant for."""

from typing import Any

from msgspec.structs import replace

from singr_comms.channels._channel import Closes, LooksUp, SendReceipt, longest_call
from singr_comms.channels.email import EmailAddress, EmailEnvelope, EmailProvider, check_email


def redirected(provider: Any, address: str) -> Any:
    """The provider, which sends to this address alone; where there is none, the provider itself.

    What is asked of the message before that (suppression, limits, the ledger) goes by its true address.
    """
    if not address:
        return provider
    return _LooksUp(provider, address) if isinstance(provider, LooksUp) else _Redirected(provider, address)


class _Redirected:
    def __init__(self, provider: Any, address: str) -> None:
        self._provider: EmailProvider = provider
        self._address = address

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def takes_idempotency_key(self) -> bool:
        return self._provider.takes_idempotency_key

    @property
    def longest_call(self) -> float:
        return longest_call(self._provider)

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        return await self._provider.send(self._turned(envelope))

    async def close(self) -> None:
        if isinstance(self._provider, Closes):
            await self._provider.close()

    def _turned(self, envelope: EmailEnvelope) -> EmailEnvelope:
        meant = check_email(envelope).to
        return replace(envelope, to=EmailAddress(self._address, meant.name), meant_for=meant.email)


class _LooksUp(_Redirected):
    async def look_up(self, envelope: EmailEnvelope, began_at: float, /) -> SendReceipt | None:
        asked: Any = self._provider
        found: SendReceipt | None = await asked.look_up(self._turned(envelope), began_at)
        return found
