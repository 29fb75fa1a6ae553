"""What a provider looks like from outside: one protocol per channel, the same answers for all."""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from singr_comms._errors import SendError
from singr_comms._masking import storable_id
from singr_comms.messages._messages import EmailEnvelope, SmsEnvelope

LONGEST_CALL: Final = 18.0
"""Seconds after which every provider gives up on a call. The ledger relies on it: an attempt without an outcome that is
older than this has nobody waiting for its answer."""


class SendReceipt(msgspec.Struct, frozen=True):
    """A provider took a message over.

    Args:
        provider: Name of the provider, such as ``mailjet``.
        provider_message_id: The provider's own id, by which its callbacks name the message; None when it gave none. Of
            whatever it gave, at most 400 printable characters are kept, so that every store takes them.
    """

    provider: str
    provider_message_id: str | None = None

    def __post_init__(self) -> None:
        """Keep of the id what can be stored: the provider has taken the message, and that must be written down."""
        if self.provider_message_id is not None:
            msgspec.structs.force_setattr(self, "provider_message_id", storable_id(self.provider_message_id))


@runtime_checkable
class EmailProvider(Protocol):
    """Delivers e-mail."""

    @property
    def name(self) -> str:
        """Short, stable name; a label in metrics and a column in the delivery log."""

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether the provider itself drops a second message with the same token: then trying again is always safe."""

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one message.

        Raises:
            InvalidMessageError: The message breaks its model; nothing was sent.
            TransientError: Not sent; try again.
            PermanentSendError: Not sent; trying again is of no use.
            UnknownOutcomeError: Perhaps sent.
        """


@runtime_checkable
class BulkEmailProvider(EmailProvider, Protocol):
    """Delivers many e-mails in few calls."""

    async def send_many(self, envelopes: Sequence[EmailEnvelope]) -> list[SendReceipt | SendError]:
        """Send all; the outcomes come in the order of the envelopes, one each, and are not raised."""


@runtime_checkable
class SmsProvider(Protocol):
    """Delivers SMS."""

    @property
    def name(self) -> str:
        """As for e-mail."""

    @property
    def takes_idempotency_key(self) -> bool:
        """As for e-mail."""

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one message; raises as :meth:`EmailProvider.send`."""
