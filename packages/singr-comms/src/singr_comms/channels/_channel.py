"""What every channel is: how its recipients are written, what its texts are called, and what its providers do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms._masking import storable_id
from singr_comms.models._message import Message, checked_whole
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._templates import language_of
from singr_config import BrandSettings

LONGEST_CALL: Final = 18.0
"""Seconds after which a provider gives up on a call, but for one that `TakesLonger`. The ledger relies on it: where an
attempt without an outcome is older than this, nobody waits for its answer."""


LAST: Final = 1000
"""Behind all that say where they stand."""


class SendReceipt(msgspec.Struct, frozen=True):
    """A provider took a message over.

    Args:
        provider: name of the provider, such as `mailjet`.
        provider_message_id: the provider's own id, by which its callbacks name the message; None when it gave none. Of
            whatever it gave, at most 400 printable characters are kept, so that every store takes them.
    """

    provider: str
    provider_message_id: str | None = None

    def __post_init__(self) -> None:
        """Keep of the id what can be stored: the provider has taken the message, and that must be written down."""
        if self.provider_message_id is not None:
            msgspec.structs.force_setattr(self, "provider_message_id", storable_id(self.provider_message_id))


class Provider(Protocol):
    """Delivers messages of one channel, each in the channel's own envelope."""

    @property
    def name(self) -> str:
        """Short, stable name; a label in metrics and a column in the delivery log."""

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether the provider itself drops a second message with the same token: then trying again is always safe."""

    async def send(self, envelope: Any, /) -> SendReceipt:
        """Send one message.

        Raises:
            InvalidMessageError: the message breaks its model; nothing was sent.
            TransientError: not sent; try again.
            PermanentSendError: not sent; trying again is of no use.
            UnknownOutcomeError: perhaps sent.
        """


@runtime_checkable
class LooksUp(Protocol):
    """A provider that can be asked what became of a message whose outcome is unknown. Optional beside `Provider`."""

    async def look_up(self, envelope: Any, began_at: float, /) -> SendReceipt | None:
        """Ask whether the provider took a message over.

        Providers list what they took with a delay: ask minutes after the attempt, not at once. One that drops copies by
        idempotency key may answer by sending again under the same key, as long as it keeps that.

        Args:
            envelope: as it was sent: the same recipient, message and token.
            began_at: when the attempt began, as Unix time.

        Returns:
            The receipt that `send` would have given; None where the provider certainly has no such message.

        Raises:
            TransientError: nothing was learnt; ask again.
            PermanentSendError: the provider took it, and then did not send it.
            UnknownOutcomeError: it can no longer be learnt from this provider; code `too_late` where it was asked after
                the time for which it remembers.
        """


@runtime_checkable
class Closes(Protocol):
    """A provider that keeps something open, such as connections. Optional beside `Provider`."""

    async def close(self) -> None:
        """Give it up; messages can still be sent, each at a price."""


@runtime_checkable
class TakesLonger(Protocol):
    """A provider whose calls may take more than `LONGEST_CALL`; the jobs of its channel must have the time."""

    @property
    def longest_call(self) -> float:
        """Seconds after which it gives up on a call."""


def longest_call(provider: Provider) -> float:
    """Seconds after which a provider gives up on a call."""
    return provider.longest_call if isinstance(provider, TakesLonger) else LONGEST_CALL


_To = TypeVar("_To")


class Envelope(Protocol):
    """A message on its way to a provider."""

    @property
    def to(self) -> Any:
        """The only recipient."""

    @property
    def message(self) -> Message:
        """The message."""

    @property
    def idempotency_token(self) -> str:
        """The same on every try of one message."""

    @property
    def locale(self) -> str | None:
        """Its reader's language; None is English."""


_Envelope = TypeVar("_Envelope", bound=Envelope)


class Channel(ABC, Generic[_To, _Envelope]):
    """One way to reach people. A module of this package declares one as `CHANNEL`.

    Attributes:
        name: on the wire, in the database and in metrics.
        said: what people call a message of it.
        texts: the files with words that a message type needs for it.
        recipient: what recipients are, as msgspec decodes them.
        such_as: one of their addresses, for people.
        listed: where it stands among the channels that people choose; whichever says nothing comes after, by name.
        envelope: one message on its way to a provider: a struct of `to`, `message`, `idempotency_token` and `locale`;
            with a field `time_to_live` (seconds, or None) where providers may be told for how long it is of use.
    """

    name: ClassVar[str]
    said: ClassVar[str]
    texts: ClassVar[tuple[str, ...]]
    recipient: ClassVar[Any]
    such_as: ClassVar[str] = "an address"
    listed: ClassVar[int] = LAST
    envelope: Callable[..., _Envelope]

    def __init__(self) -> None:
        self._models: set[type[Message]] = set()

    def accept(self, model: type[Message]) -> None:
        """Let messages of this model travel by this channel; a catalogue says so of each model that it is given."""
        self._models.add(model)

    @abstractmethod
    def address(self, to: _To) -> str:
        """The address itself, by which a recipient's messages are found."""

    def to(self, address: str) -> _To:
        """Who has this address; raises msgspec.ValidationError where it cannot be one."""
        to: _To = msgspec.convert(address, self.recipient)
        return to

    @abstractmethod
    def masked(self, to: _To) -> str:
        """What logs and the delivery log show of a recipient."""

    @abstractmethod
    def shown(self, message: Message, brand: BrandSettings, locale: str | None = None) -> tuple[str, str]:
        """What the console tells of a message: facts that anybody may see, and its words; renders all of its texts.

        Raises:
            InvalidMessageError: a variable breaks its model.
        """

    def names(self, _to: _To) -> Mapping[str, str]:
        """What a recipient is called, by the field that says so: the reader must see something there."""
        return {}

    def encoded(self, to: _To) -> bytes:
        """A recipient as it is sealed."""
        return msgspec.json.encode(to)

    def decoded(self, stored: bytes) -> _To:
        """A recipient as it was sealed; raises msgspec.DecodeError."""
        to: _To = msgspec.json.decode(stored, type=self.recipient)
        return to

    def enclose(self, to: _To, message: Message, token: str, *wanted: str | None) -> _Envelope:
        """Put a message into an envelope, in the first of the wanted languages in which its type has words."""
        lang = language_of(type(message), self.texts, *wanted)
        spoken = None if lang == DEFAULT_LANGUAGE else lang
        return self.envelope(to=to, message=message, idempotency_token=token, locale=spoken)

    def check(self, envelope: _Envelope) -> _Envelope:
        """Check every bound of an envelope that was made in Python.

        Raises:
            InvalidMessageError: names the first variable that breaks its model.
        """
        self.check_message(envelope.message)
        return checked_whole(envelope)

    def check_size(self, message: Message) -> None:
        """Refuse what no provider would take for its length; raises InvalidMessageError.

        Where the models of a channel bound their variables, nothing can be too long.
        """

    def check_message(self, message: object) -> None:
        """Refuse what is no message of this channel; raises InvalidMessageError."""
        if type(message) not in self._models:
            raise InvalidMessageError(
                "message", f"{type(message).__name__} is no {self.said} of a type that this process knows"
            )
