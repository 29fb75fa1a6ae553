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
    """Why a message would not be sent.

    Attributes:
        code: as in the message's `error`.
        in_words: the same, for people.
        since: since when, as far as known.
        until: when it ends by itself; null if it does not, or if that is unknown.
        suppression: the suppression that stops it; null if something else does.
        rule: the choice of its recipient or their organization that decided; null if something else does.
        decides: whether it is the first to apply, and the one in the message's `error`.
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
        state: its circuit breaker: `closed` while it is called, `open` while it is not called, `refusing` while it
            refuses our account.
        is_called: whether it would be called; while its breaker is open, an occasional message probes whether it has
            recovered.
        probe_at: when the next probe is due.
    """

    provider: str
    state: Literal["closed", "open", "refusing"]
    is_called: bool
    probe_at: datetime | None = None


class SendingExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to a message.

    Attributes:
        outcome: `sent`; `waits`, because no provider can be called; `stopped` by a rule; `refused` before it is stored.
        in_words: a sentence for people.
        recipient: masked; null if there is none to send to.
        at: the moment of the explanation.
        provider: the provider that would be called; null if none would.
        rule: the choice of the person or their organization that allows it or not, such as
            `recipient:category+channel`; null for an address without a recipient, which has no choices.
        reasons: why it would not be sent, in order of evaluation: once one is resolved, the next may still stop it.
        providers: the channel's providers, in the order in which they are called.
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
