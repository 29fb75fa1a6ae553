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
    code: Literal["unknown_value", "malformed", "out_of_range"]


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
        recipient: the address, the phone number or the device's token, in full.
        kind: what it would say, such as `song_request`.
        user_id: whose it would be, for the limit of a user and hour.
        provider: who would be called; whoever is first, unless given.
        at: when (aware); now, unless given.
    """

    channel: str
    recipient: str
    kind: str
    user_id: UUID | None = None
    provider: str | None = None
    at: datetime | None = None


class SendingReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message would not go.

    Attributes:
        code: as the message's `error` would have it.
        in_words: that, for people.
        since: from when on that is so, as far as it is known.
        until: when it is over by itself; null where it is not, or nobody knows.
        suppression: the one that stops it; null where something else does.
    """

    code: str
    in_words: str
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
        recipient: masked.
        at: the moment that it is told for.
        provider: who would be called; null where nobody would.
        reasons: why it would not go, in the order in which they are met: what is lifted, the next may still stop.
        providers: who sends by this channel, in the order in which they are called.
    """

    outcome: Literal["sent", "waits", "stopped", "refused"]
    in_words: str
    channel: str
    kind: str
    recipient: str
    at: datetime
    provider: str | None
    reasons: tuple[SendingReason, ...]
    providers: tuple[ProviderDoor, ...]
