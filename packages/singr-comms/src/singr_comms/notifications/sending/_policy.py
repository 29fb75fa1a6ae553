"""What a try at a message may do, given what the ledger knows of the tries before. Pure: no clock, no database."""

from enum import Enum, auto
from typing import Final, Literal

import msgspec

from singr_comms._errors import (
    AccountRefusedError,
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.catalogue import message_types
from singr_comms.channels._channel import LooksUp, Provider
from singr_comms.notifications.sending._try import FLAGGED, SETTLING, Begun, Refused
from singr_jobs import PermanentError, RetryLater

SETTLED: Final = frozenset({"sent", "delivered", "bounced", "complained"})


SETTLE_AFTER: Final = 600.0
"""Seconds for which a provider's own word (a callback) is waited for; asked sooner, it may not list the message yet."""
_REMEMBERED_FOR: Final = 23 * 3600.0
"""Seconds for which a provider is relied on to know a copy: they keep idempotency keys for a day."""
ASKED_FOR: Final = 3600.0
"""Seconds after these for which it is asked again where asking fails."""
_OFTEN, _SELDOM = 2.0, 60.0
# Seconds between tries of a message in doubt whose provider drops copies, once its job has no attempt left.
_SOONEST, _LATEST = 60.0, 600.0
# Seconds between tries of a message that waits until something passes: the first, and the longest.
_AT_FIRST, _AT_LAST = 30.0, 480.0
BREATH: Final = 10.0
"""Seconds between tries of a message that was put off, however often somebody has it tried at once."""
# Seconds before another try where a permanent answer does not tell whom it is about: others may tell meanwhile.
_UNCLEAR: Final = 5.0


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


class Known(msgspec.Struct, frozen=True):
    """What the ledger knows of a message.

    Args:
        kind: the message's kind.
        status: its status.
        age: seconds since its last attempt began; None when there was none.
        doubt: where one of its attempts may have sent it, whatever came of those after it.
        waits_to_ask: its job had no attempt left, and it waits until its provider is asked, whatever its type.
    """

    kind: str
    status: str
    age: float | None
    doubt: Doubt | None = None
    waits_to_ask: bool = False


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
    if known.waits_to_ask and not drops_copies and same and isinstance(provider, LooksUp):
        step = Step.SETTLE
    if step is not Step.SETTLE or known.doubt.age < SETTLE_AFTER:
        return step
    return Step.LOOK_UP if same and isinstance(provider, LooksUp) else Step.FLAG


class Follows(msgspec.Struct, frozen=True):
    """What follows an attempt that did not send a message.

    Args:
        status: of the message.
        raises: what its job raises.
        says: what the message's row says in place of the provider's words.
        ends: no other try will follow.
    """

    status: Literal["queued", "failed", "unknown"]
    raises: PermanentError | RetryLater
    says: Refused | None = None
    ends: bool = False


def passes(error: SendError, begun: Begun, *, unanswered: bool = False) -> bool:
    """Whether a message that was certainly not sent may be taken later, and nothing speaks against it.

    A server that is away, a greylist, a full mailbox: seconds or hours. What a provider answers by HTTP is tried as
    often as its job has attempts, and is then for people to see.

    Args:
        error: what the provider said.
        begun: the attempt.
        unanswered: another provider of the same try is away: it does not matter who of them was asked last.
    """
    return isinstance(error, TransientError) and (error.waits or unanswered) and not begun.pinned


def waits_for_itself(error: SendError, begun: Begun) -> bool:
    """Whether a "later" of one message met one that waits by itself: it does so still, and holds no other."""
    return isinstance(error, AccountRefusedError) and error.waits and error.of_message and begun.put_off > 0


def ever_later(error: SendError, begun: Begun) -> float:
    """Seconds until a message that waits is tried again, no longer than it is of use and wanted.

    Args:
        error: the answer; it may name a time.
        begun: the attempt.
    """
    wait = min(_AT_FIRST * 2.0 ** min(begun.put_off, 10), _AT_LAST)
    return min(max(wait, getattr(error, "retry_after", None) or 0.0), begun.remaining, begun.until_over)


def came_of(error: SendError) -> Literal["failed", "unknown"]:
    """The status of an attempt that ended so."""
    return "unknown" if isinstance(error, UnknownOutcomeError) else "failed"


def counted_as(error: SendError) -> str:
    """As which outcome of a call it is counted."""
    return "transient" if isinstance(error, TransientError) else came_of(error)


def after(error: SendError, begun: Begun, *, provider: Provider, is_last_attempt: bool) -> Follows:
    """What an error means for the message.

    One in doubt does not end with the last attempt of its job, as long as it can be found out what became of it: by
    sending it again where the provider drops copies, now and then for as long as another provider is asked, or by
    asking. For that it waits, and pays no attempt.

    Args:
        error: what the provider said, or what became of the call.
        begun: the attempt.
        provider: who was called.
        is_last_attempt: the job has no other one.
    """
    unknown = isinstance(error, UnknownOutcomeError)
    doubtful = getattr(error, "doubtful", False)
    step = in_doubt(begun.kind, drops_copies=provider.takes_idempotency_key) if unknown else Step.SEND
    final = (isinstance(error, PermanentSendError) and not doubtful) or getattr(error, "about_message", False)
    if step is Step.SETTLE and not final:
        return _settling(error)
    # What fails for certain says nothing of an attempt before that may have sent it.
    in_doubt_still = unknown or begun.pinned
    if final or step is Step.FLAG:
        return (
            _flagged(error)
            if in_doubt_still
            else Follows("failed", PermanentError(error.code, error.message), ends=True)
        )
    if is_last_attempt and in_doubt_still:
        return _after_the_last(error, begun, provider)
    wait = error.retry_after if isinstance(error, TransientError) else _UNCLEAR if doubtful else None
    # No longer than it is of use: then it ends as expired, and whoever waits for it learns so.
    later = RetryLater(min(wait or 0.0, begun.remaining, begun.until_over), error.code, error.message)
    return Follows("unknown" if unknown else "failed" if is_last_attempt else "queued", later, ends=is_last_attempt)


def _after_the_last(error: SendError, begun: Begun, provider: Provider) -> Follows:
    doubted = begun.doubted or 0.0
    if provider.takes_idempotency_key and doubted < SETTLE_AFTER + ASKED_FOR:
        wait = max(min(max(doubted, _SOONEST), _LATEST), getattr(error, "retry_after", None) or 0.0)
        words = f"{error.message}; it may have been sent, and is sent again: its provider drops the copy"
        return Follows("unknown", RetryLater(min(wait, begun.remaining), SETTLING.code, words, counts=False))
    if not provider.takes_idempotency_key and isinstance(provider, LooksUp) and begun.remaining > SETTLE_AFTER:
        return _settling(error, SETTLING)
    return _flagged(error)


def _settling(error: SendError, says: Refused | None = None) -> Follows:
    words = f"{error.message}; {SETTLING.message}"
    return Follows("unknown", RetryLater(SETTLE_AFTER, SETTLING.code, words, counts=False), says)


def _flagged(error: SendError) -> Follows:
    return Follows("unknown", PermanentError(FLAGGED.code, f"{error.message}; {FLAGGED.message}"), FLAGGED, ends=True)
