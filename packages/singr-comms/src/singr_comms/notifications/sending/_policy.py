"""What a try at a message may do, given what the ledger knows of the tries before. Pure: no clock, no database."""

from enum import Enum, auto
from typing import Final

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels._channel import LooksUp, Provider

SETTLED: Final = frozenset({"sent", "delivered", "bounced", "complained"})


SETTLE_AFTER: Final = 600.0
"""Seconds for which a provider's own word (a callback) is waited for; asked sooner, it may not list the message yet."""
_REMEMBERED_FOR: Final = 23 * 3600.0
"""Seconds for which a provider is relied on to know a copy: they keep idempotency keys for a day."""
ASKED_FOR: Final = 3600.0
"""Seconds after these for which it is asked again where asking fails."""
_OFTEN, _SELDOM = 2.0, 60.0


def next_look(waited: float) -> float:
    """Seconds until it is looked again at what this process does not know: as many as it has waited, within bounds."""
    return min(max(waited, _OFTEN), _SELDOM)


class Step(Enum):
    """What to do next."""

    SEND = auto()
    """Call the provider."""
    DONE = auto()
    """It was sent: do nothing."""
    WAIT = auto()
    """Another runner may be calling the provider right now: look again later."""
    SETTLE = auto()
    """Perhaps sent: the provider may still tell by itself."""
    LOOK_UP = auto()
    """Perhaps sent: ask the provider."""
    FLAG = auto()
    """Perhaps sent, and nobody to ask: say so and stop."""
    STOP = auto()
    """It was suppressed: stop."""


_WHEN_UNKNOWN: Final = {"repeat": Step.SEND, "settle": Step.SETTLE, "flag": Step.FLAG}


class Doubt(msgspec.Struct, frozen=True):
    """The earliest attempt that nobody knows the outcome of.

    Args:
        provider: who was called, and may have the message.
        age: seconds since it began.
    """

    provider: str
    age: float


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of a message.

    Args:
        kind: the message's kind.
        status: its status.
        age: seconds since its last attempt began; None when there was none.
        doubt: where one of its attempts may have sent it, whatever came of those after it.
    """

    kind: str
    status: str
    age: float | None
    doubt: Doubt | None = None


def in_doubt(kind: str, *, drops_copies: bool) -> Step:
    """What to do about a message that was perhaps sent a moment ago.

    A provider that takes an idempotency key drops the copy itself. Otherwise its type says so: codes, sign-in links and
    security notices go out again, since a second one does no harm, and a missing one locks somebody out or leaves them
    unwarned.
    """
    return Step.SEND if drops_copies else _WHEN_UNKNOWN[message_types.when_unknown(kind)]


def next_step(known: Known, *, provider: Provider, in_flight: float, is_last_attempt: bool) -> Step:
    """Decide.

    What one provider perhaps sent, no other one knows of: a copy is dropped only by the provider that was called, and
    only that one can be asked.

    Args:
        known: what the ledger says.
        provider: who would be called.
        in_flight: seconds for which a provider call may still be on its way after its attempt began.
        is_last_attempt: no further try will come, so that waiting for another runner is no choice.
    """
    if known.status in SETTLED or known.status == "suppressed":
        return Step.DONE if known.status in SETTLED else Step.STOP
    if known.doubt is None:  # an attempt's row may be gone with its week
        return Step.FLAG if known.status in {"dispatched", "unknown"} else Step.SEND
    if known.status == "dispatched" and (known.age or 0.0) < in_flight and not is_last_attempt:
        return Step.WAIT
    same = known.doubt.provider == provider.name
    drops_copies = provider.takes_idempotency_key and same and known.doubt.age < _REMEMBERED_FOR
    step = in_doubt(known.kind, drops_copies=drops_copies)
    if step is not Step.SETTLE or known.doubt.age < SETTLE_AFTER:
        return step
    return Step.LOOK_UP if same and isinstance(provider, LooksUp) else Step.FLAG
