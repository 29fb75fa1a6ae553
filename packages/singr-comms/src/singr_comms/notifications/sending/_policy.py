"""What a try at a message may do, given what the ledger knows of the tries before. Pure: no clock, no database."""

from enum import Enum, auto
from typing import Final

import msgspec

from singr_comms.catalogue import message_types

SETTLED: Final = frozenset({"sent", "delivered", "bounced"})


class Step(Enum):
    """What to do next."""

    SEND = auto()
    """Call the provider."""
    DONE = auto()
    """It was sent: do nothing."""
    WAIT = auto()
    """Another runner may be calling the provider right now: look again later."""
    FLAG = auto()
    """Perhaps sent, and not to be sent twice: say so and stop."""
    STOP = auto()
    """It was suppressed: stop."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of a message.

    Args:
        kind: the message's kind.
        status: its status.
        age: seconds since its last attempt began; None when there was none.
        provider: who was called last; None when nobody was.
    """

    kind: str
    status: str
    age: float | None
    provider: str | None = None


def may_repeat(kind: str, *, takes_idempotency_key: bool) -> bool:
    """Whether a message that was perhaps sent is sent again.

    A provider that takes an idempotency key drops the copy itself. Otherwise its type says so: codes, sign-in links and
    security notices go out again, since a second one does no harm, and a missing one locks somebody out or leaves them
    unwarned.
    """
    return takes_idempotency_key or message_types.may_repeat(kind)


def next_step(
    known: Known, *, provider: str, takes_idempotency_key: bool, in_flight: float, is_last_attempt: bool
) -> Step:
    """Decide.

    What one provider perhaps sent, no other one knows of: a copy is dropped only by the provider that was called.

    Args:
        known: what the ledger says.
        provider: who would be called.
        takes_idempotency_key: of the provider that would be called.
        in_flight: seconds for which a provider call may still be on its way after its attempt began.
        is_last_attempt: no further try will come, so that waiting is no choice.
    """
    if known.status in SETTLED:
        return Step.DONE
    if known.status == "suppressed":
        return Step.STOP
    if known.status not in {"dispatched", "unknown"}:
        return Step.SEND
    if known.status == "dispatched" and known.age is not None and known.age < in_flight and not is_last_attempt:
        return Step.WAIT
    drops_copies = takes_idempotency_key and known.provider == provider
    return Step.SEND if may_repeat(known.kind, takes_idempotency_key=drops_copies) else Step.FLAG
