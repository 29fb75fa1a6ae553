"""Consumers of tickets that take none while their process has no room, and look when they are told to."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final

from dramatiq.broker import Broker, Consumer, MessageProxy

from singr_jobs.declare._types import Queue
from singr_observability import get_logger

# What the names of our queues begin with.
PREFIX: Final = "singr."
# Bytes of the longest ticket that is looked into: ours are less than 500.
LONGEST: Final = 16_384
# How long a consumer lets be where no word has come, and until it asks again for a right that was refused.
_UNTOLD_SECONDS: Final = 2.0

_log = get_logger("jobs.tickets")


class GatedBroker(Broker):
    """What every broker of tickets adds to Dramatiq's own.

    Attributes:
        gate: whether this process has room for a queue's tickets; while it has none, they stay for others.
        refusal: what was refused when tickets were last fetched, and has not been granted since.
        closing: no consumer waits any more.
    """

    def __init__(self, *positional: Any, **options: Any) -> None:
        super().__init__(*positional, **options)
        self.gate: Callable[[Queue], bool] = lambda _: True
        self.refusal: str | None = None
        self.closing = False
        self._told: dict[str, threading.Event] = {}

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

    def refused(self, why: str | None) -> None:
        """The server answered a consumer, and refused: said once, not with a stack at every turn of every queue."""
        if why != self.refusal:
            self.refusal = why
            _log.warning("tickets cannot be fetched, each process keeps its own: {}", why)

    def granted(self) -> None:
        """A consumer got its answer."""
        if self.refusal is not None:
            self.refusal = None
            _log.info("tickets are fetched again")


class GatedConsumer(Consumer):
    """Looks when it is told to, and once in a while in case a word was lost."""

    def __init__(self, broker: GatedBroker, queue_name: str, timeout: int) -> None:
        self.broker = broker
        self._queue = Queue(queue_name.removeprefix(PREFIX))
        self._pause = timeout / 1000
        self._word = broker.word(queue_name)
        self._more = True

    @abstractmethod
    def look(self) -> MessageProxy | None:
        """Return the next message, or None where there is none or it could not be had."""

    def __next__(self) -> MessageProxy | None:
        if not self._more and not self.broker.closing:
            self._word.wait(_UNTOLD_SECONDS)
        self._word.clear()
        if not self.broker.gate(self._queue):
            self._more = True
            time.sleep(self._pause)
            return None
        message = self.look()
        self._more = message is not None
        return message
