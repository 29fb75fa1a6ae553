"""One connection to RabbitMQ, and the one thread that uses it, since pika's belong to the thread that made them."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from singr_jobs.intake._carrier import RECONNECT
from singr_jobs.rabbit._address import RabbitAwayError, refusal_of

if TYPE_CHECKING:
    from singr_jobs.rabbit._broker import RabbitBroker

PATIENCE: Final = 2.0
"""Seconds that anybody waits for an answer, and for which one may be waited for before nobody waits any more."""

# Seconds between two looks after a connection that nobody uses: it has to say that it lives.
_TEND: Final = 3.0
_LAST: Final = 5.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Letter:
    """What somebody wants of a channel, of which queue or exchange, and where the answer goes."""

    about: str
    call: Callable[[Any], Any]
    answer: "Future[Any]"


class _Rest:
    """How long something is let be after it failed, and why it did."""

    why: str | None = None
    _failures = 0
    _until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, why: str | None) -> None:
        self.why = why
        self._failures += 1
        self._until = time.monotonic() + RECONNECT.delay(self._failures)


class Post:
    """Asks RabbitMQ, for threads and loops that must not wait for it.

    It connects with the first question. While RabbitMQ is away, or slow, questions are answered with RabbitAwayError at
    once, and now and then one of them tries again. So are those about a queue or an exchange that is refused, while
    others go on.
    """

    def __init__(self, broker: "RabbitBroker") -> None:
        self._broker = broker
        self._letters: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._busy_since: float | None = None
        self._away = _Rest()
        self._refused: dict[str, _Rest] = {}
        self._opened: Any = None

    def ask(self, about: str, call: Callable[[Any], _T]) -> "Future[_T]":
        """Have this called with an open channel, about this queue or exchange; returns at once."""
        answer: Future[_T] = Future()
        with self._lock:
            rest = self._rest(about)
            if self._closed or rest or self._is_stuck():
                answer.set_exception(RabbitAwayError((rest or self._away).why))
                return answer
            self._letters.put(_Letter(about, call, answer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rabbitmq", daemon=True)
                self._thread.start()
        return answer

    def wait(self, about: str, call: Callable[[Any], _T]) -> _T:
        """The same for whoever may block, for `PATIENCE` at the most; raises RabbitAwayError."""
        answer = self.ask(about, call)
        try:
            return answer.result(PATIENCE)
        except TimeoutError:
            answer.cancel()
            raise RabbitAwayError from None

    def close(self) -> None:
        """End the thread once it has done what it was asked, and the connection. Blocks for seconds at the most."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._letters.put(None)
            thread.join(_LAST)

    def _rest(self, about: str) -> _Rest | None:
        """What keeps questions about this from being asked now."""
        return next((rest for rest in (self._away, self._refused.get(about)) if rest), None)

    def _is_stuck(self) -> bool:
        since = self._busy_since
        return since is not None and time.monotonic() - since > PATIENCE

    def _run(self) -> None:
        while (letter := self._next()) is not None:
            if letter.answer.set_running_or_notify_cancel():
                self._busy_since = time.monotonic()
                self._serve(letter)
                self._busy_since = None
        self._drop()

    def _next(self) -> _Letter | None:
        while True:
            try:
                return self._letters.get(timeout=_TEND)
            except queue.Empty:
                self._tend()

    def _serve(self, letter: _Letter) -> None:
        if rest := self._rest(letter.about):
            letter.answer.set_exception(RabbitAwayError(rest.why))
            return
        channel = None
        try:
            channel = self._channel()
            found = letter.call(channel)
        except Exception as error:  # noqa: BLE001 - a client has many words for a server that is not there
            letter.answer.set_exception(RabbitAwayError(refusal_of(error)))
            if channel is not None and channel.connection.is_open:
                self._refuse(letter.about, error)
            else:
                self._fail(error)
        else:
            self._away = _Rest()
            self._refused.pop(letter.about, None)
            letter.answer.set_result(found)

    def _tend(self) -> None:
        if self._opened is None:
            return
        try:
            self._broker.connection.process_data_events(0)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _channel(self) -> Any:
        channel = self._broker.channel
        if channel is not self._opened:
            self._broker.declare_words(channel)
            self._opened = channel
        return channel

    def _refuse(self, about: str, error: Exception) -> None:
        """Go on with all else: what was asked for was refused, and the channel closed by that, but no more."""
        self._refused.setdefault(about, _Rest()).begin(refusal_of(error))
        self._opened = None
        del self._broker.channel
        self._broker.forget_queues()

    def _fail(self, error: Exception) -> None:
        self._away.begin(refusal_of(error))
        self._drop()

    def _drop(self) -> None:
        self._opened = None
        del self._broker.connection
        self._broker.forget_queues()
