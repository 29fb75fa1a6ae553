"""What is asked of a message that may be sent, and what is answered."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError
from singr_comms.notifications._suppression_list import SuppressionView


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one field of a question."""

    field: str
    message: str
    code: Literal["unknown_value", "malformed", "out_of_range", "required", "conflicting_fields"]


def naive(field: str) -> Fault:
    """What is wrong with a time that has no time zone."""
    return Fault(field, "must have a time zone, such as 2026-11-22T12:00:00Z", "malformed")


class QuestionError(CommsError, ValueError):
    """A question cannot be answered.

    Attributes:
        faults: all that is wrong with it, by field.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{one.field} {one.message}" for one in faults))
        self.faults = faults


class SendingQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Would a new message go?

    Args:
        channel: by which it would.
        recipient: the address, the phone number or the device's token, in full; None where somebody has none.
        kind: what it would say, such as `song_request`.
        user_id: whose it would be, for the limit of a user and hour.
        provider: who would be called; whoever is first, unless given.
        at: when (aware); now, unless given.
    """

    channel: str
    recipient: str | None
    kind: str
    user_id: UUID | None = None
    provider: str | None = None
    at: datetime | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the recipient of a message beside the address.

    Args:
        rule: of what they or their organization chose, the rule that holds for it; None where nobody was asked.
        nowhere: why there is no address to send to.
        stops: what else stops it.
        waits: what it waits for where nothing stops it, before any provider is asked.
    """

    rule: str | None = None
    nowhere: "SendingReason | None" = None
    stops: "tuple[SendingReason, ...]" = ()
    waits: "SendingReason | None" = None


class SendingReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message would not go.

    Attributes:
        code: as the message's `error` would have it.
        in_words: that, for people.
        since: from when on that is so, as far as it is known.
        until: when it is over by itself; null where it is not, or nobody knows.
        suppression: the one that stops it; null where something else does.
        rule: of what its recipient or their organization chose, the rule that decided; null where something else does.
        decides: it is the first that is met, and what the message's `error` would say.
    """

    code: str
    in_words: str
    rule: str | None = None
    decides: bool = False
    since: datetime | None = None
    until: datetime | None = None
    suppression: SuppressionView | None = None


class ProviderDoor(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a provider would be called.

    Attributes:
        state: `closed` (its breaker) while it is called, `open` while it is let be, `refusing` while it refuses our
            account.
        is_called: it would be; of one that is let be, one message tries now and then whether that is over.
        probe_at: when the next one tries.
    """

    provider: str
    state: Literal["closed", "open", "refusing"]
    is_called: bool
    probe_at: datetime | None = None


class SendingExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a message.

    Attributes:
        outcome: `sent`; `waits`, since no provider can be called; `stopped` by a rule; `refused` before it is stored.
        in_words: a sentence for people.
        recipient: masked; null where there is none to send to.
        at: the moment that it is told for.
        provider: who would be called; null where nobody would.
        rule: what they or their organization chose that it goes by, such as `recipient:category+channel`, or by which
            it does not; null of an address without a recipient, which has no choices.
        reasons: why it would not go, in the order in which they are met: what is lifted, the next may still stop.
        providers: who sends by this channel, in the order in which they are called.
    """

    outcome: Literal["sent", "waits", "stopped", "refused"]
    in_words: str
    channel: str
    kind: str
    recipient: str | None
    at: datetime
    provider: str | None
    rule: str | None = None
    reasons: tuple[SendingReason, ...]
    providers: tuple[ProviderDoor, ...]
