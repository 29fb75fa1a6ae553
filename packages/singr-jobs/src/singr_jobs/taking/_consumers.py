"""Consumers of tickets that take none while their process has no room, and look when they are told to."""

import contextlib
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

import dramatiq
import msgspec
from dramatiq.broker import Broker, Consumer, MessageProxy

from singr_jobs.declare._types import Queue
from singr_observability import get_logger

# What the names of our queues begin with.
PREFIX: Final = "singr."
# Bytes of the longest message that is looked into, here and among words: our tickets are less than 500.
LONGEST: Final = 16_384
ACTOR: Final = "ticket."
"""What the names of our actors begin with."""

# How long a consumer lets be where no word has come, and until it asks again for a right that was refused.
_UNTOLD_SECONDS: Final = 2.0
# Seconds between two lines about messages that were no tickets.
_TELL_DROPPED_EVERY: Final = 60.0

_log = get_logger("jobs.tickets")


class _Words(msgspec.Struct):
    token: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    jobs: Annotated[int, msgspec.Meta(ge=1, le=512)]


class _Said(msgspec.Struct):
    """All that is read of a message. The rest is anybody's word: Dramatiq would delay by it, or end a thread."""

    kwargs: _Words


_DECODER: Final = msgspec.json.Decoder(_Said)


def ticket_message(queue: str, token: int, jobs: int) -> dramatiq.Message[None]:
    """Return what travels: which queue's ticket, and of how many jobs."""
    return dramatiq.Message(
        queue_name=f"{PREFIX}{queue}",
        actor_name=f"{ACTOR}{queue}",
        args=(),
        kwargs={"token": token, "jobs": jobs},
        options={},
    )


def read_ticket(queue: str, body: bytes) -> dramatiq.Message[None] | None:
    """Return the ticket that a message of this queue names, in a message built anew; None where it is no ticket."""
    if len(body) > LONGEST:
        return None
    try:
        words = _DECODER.decode(body).kwargs
    except (ValueError, RecursionError):
        return None
    return ticket_message(queue, words.token, words.jobs)


class TicketBroker(Broker):
    """What every broker of tickets adds to Dramatiq's own.

    Attributes:
        has_room: whether this process has room for a queue's tickets; while it has none, they stay for others.
        closing: no consumer waits any more.
    """

    def __init__(self, *positional: Any, **options: Any) -> None:
        super().__init__(*positional, **options)
        self.has_room: Callable[[Queue], bool] = lambda _: True
        self._refusals: dict[str, str] = {}
        self.closing = False
        self._told: dict[str, threading.Event] = {}
        self._counting = threading.Lock()
        self._dropped = 0
        self._tell_dropped_at = 0.0

    def word(self, queue_name: str) -> threading.Event:
        """What says that a consumer should look."""
        return self._told.setdefault(queue_name, threading.Event())

    def told(self, queue: Queue) -> None:
        """Let the consumer of this queue look now."""
        self.word(f"{PREFIX}{queue}").set()

    def stopping(self) -> None:
        """Let no consumer wait any more."""
        self.closing = True
        for word in self._told.values():
            word.set()

    def why(self, error: BaseException) -> str:
        """Say why something could not be sent."""
        return type(error).__name__

    @property
    def refusal(self) -> str | None:
        """What was refused when tickets of a queue were last fetched, and has not been granted since."""
        return next(iter(list(self._refusals.values())), None)

    def refused(self, queue_name: str, why: str) -> None:
        """The server answered a consumer, and refused: said once, not with a stack at every turn of every queue."""
        is_known = why in list(self._refusals.values())
        self._refusals[queue_name] = why
        if not is_known:
            _log.warning("tickets cannot be fetched, each process keeps its own: {}", why)

    def granted(self, queue_name: str) -> None:
        """A consumer got its answer."""
        if self._refusals.pop(queue_name, None) is not None and not self._refusals:
            _log.info("tickets are fetched again")

    def dropped(self) -> None:
        """A message was no ticket."""
        with self._counting:
            self._dropped += 1

    def tell_dropped(self) -> None:
        """Say how many messages were no tickets, once in a while."""
        with self._counting:
            if not self._dropped or time.monotonic() < self._tell_dropped_at:
                return
            count, self._dropped = self._dropped, 0
            self._tell_dropped_at = time.monotonic() + _TELL_DROPPED_EVERY
        _log.warning("{} messages in queues of tickets were no tickets: dropped", count)


class TicketConsumer(Consumer):
    """Looks when it is told to, and once in a while in case a word was lost.

    What it takes is nobody else's any more: a ticket that gets lost with its process comes back by its lease.
    """

    def __init__(self, broker: TicketBroker, queue_name: str, timeout: int) -> None:
        self.broker = broker
        self._queue_name = queue_name
        self._queue = Queue(queue_name.removeprefix(PREFIX))
        self._pause = timeout / 1000
        self._word = broker.word(queue_name)
        self._more = True

    @abstractmethod
    def look(self) -> bytes | None:
        """Take and acknowledge the next message, whatever it says; None where there is none or it could not be had."""

    def __next__(self) -> MessageProxy | None:
        if not self._more and not self.broker.closing:
            self._word.wait(_UNTOLD_SECONDS)
        self._word.clear()
        self.broker.tell_dropped()
        if self.broker.closing or not self.broker.has_room(self._queue):
            self._more = True
            time.sleep(self._pause)
            return None
        body = self.look()
        self._more = body is not None
        if body is None:
            return None
        message = read_ticket(self._queue, body)
        if message is None:
            self.broker.dropped()
            return None
        return MessageProxy(message)

    def ack(self, message: MessageProxy) -> None:
        """It was acknowledged when it was taken."""

    def nack(self, message: MessageProxy) -> None:
        """The same."""

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Send on what was taken and not yet received."""
        with contextlib.suppress(Exception):  # a server that is away: leases bring their jobs back
            for message in messages:
                self.broker.enqueue(message.copy())

    def close(self) -> None:
        """Nothing is its own."""
