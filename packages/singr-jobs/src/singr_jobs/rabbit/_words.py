"""Words through RabbitMQ: each process that listens has a queue of its own, which is gone with its connection."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, Final
from uuid import uuid4

import dramatiq
import pika
import pika.exceptions
from dramatiq.errors import DecodeError

from singr_jobs.rabbit._address import RabbitAwayError, refusal_of
from singr_jobs.rabbit._broker import WORDS, RabbitBroker
from singr_jobs.rabbit._post import PATIENCE
from singr_jobs.taking._consumers import LONGEST

# What stands for a message that is none of ours, and how many may wait.
_NO_WORD: Final = "?"
_AT_ONCE: Final = 64
_INBOX: Final = {"x-queue-type": "classic", "x-max-length": 512}
# Seconds after which a listener sees that nobody hears it any more, and quiet seconds after which it asks for words
# again: whoever deletes the exchange takes them from it, and nobody says so.
_LOOKS: Final = 1.0
_QUIET: Final = 15.0

_Item = tuple[str, Callable[[], None]] | BaseException | None


class RabbitCarrier:
    """A `Carrier` over a broker whose connection it owns."""

    def __init__(self, broker: RabbitBroker) -> None:
        self._broker = broker
        self._listeners: list[threading.Thread] = []

    async def publish(self, message: str) -> None:
        """See Carrier."""
        letter: dramatiq.Message[None] = dramatiq.Message(
            queue_name=WORDS, actor_name="wake", args=(message,), kwargs={}, options={}
        )
        said = self._broker.post.ask(WORDS, partial(self._broker.publish_word, message=letter))
        async with asyncio.timeout(PATIENCE):
            await asyncio.wrap_future(said)

    async def hear(self) -> AsyncGenerator[bytes | str | None, None]:
        """See Carrier."""
        heard: asyncio.Queue[_Item] = asyncio.Queue()
        over = threading.Event()
        loop = asyncio.get_running_loop()

        def put(item: _Item) -> None:
            loop.call_soon_threadsafe(heard.put_nowait, item)

        listener = threading.Thread(target=self._listen, args=(put, over), name="rabbitmq-words", daemon=True)
        listener.start()
        self._listeners = [*(one for one in self._listeners if one.is_alive()), listener]
        try:
            while True:
                item = await heard.get()
                if isinstance(item, BaseException):
                    raise RabbitAwayError(refusal_of(item)) from item
                if item is None:
                    yield None
                    continue
                words, taken = item
                yield words
                taken()
        finally:
            over.set()

    def refusal(self, error: Exception) -> str | None:
        """See Carrier."""
        return error.refusal if isinstance(error, RabbitAwayError) else None

    async def close(self) -> None:
        """See Carrier."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._broker.post.close()
        for listener in self._listeners:
            listener.join(2 * _LOOKS)

    def _listen(self, put: Callable[[_Item], object], over: threading.Event) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody hears
            try:
                connection = pika.BlockingConnection(self._broker.parameters)
                try:
                    self._take_in(connection, put, over)
                finally:
                    if connection.is_open:
                        connection.close()
            except Exception as error:  # noqa: BLE001 - a client has many words for a server that is not there
                if not over.is_set():
                    put(error)

    def _take_in(self, connection: Any, put: Callable[[_Item], object], over: threading.Event) -> None:
        channel = connection.channel()
        self._broker.declare_words(channel)
        inbox = f"{WORDS}.{uuid4().hex}"
        channel.queue_declare(inbox, exclusive=True, auto_delete=True, arguments=_INBOX)
        channel.queue_bind(inbox, WORDS)
        channel.basic_qos(prefetch_count=_AT_ONCE)
        put(None)
        bound_at = time.monotonic()
        for method, _, body in channel.consume(inbox, inactivity_timeout=_LOOKS):
            if over.is_set():
                return
            if method is not None:
                put((_words(body), partial(_taken, connection, channel, method.delivery_tag)))
            elif time.monotonic() - bound_at > _QUIET:
                channel.queue_bind(inbox, WORDS)
                bound_at = time.monotonic()
        raise RabbitAwayError  # somebody deleted the inbox


def _taken(connection: Any, channel: Any, tag: int) -> None:
    """Let the next message come, from whatever thread."""
    with contextlib.suppress(pika.exceptions.AMQPError):  # the connection is gone, and the inbox with it
        connection.add_callback_threadsafe(partial(channel.basic_ack, tag))


def _words(body: bytes) -> str:
    """What Dramatiq's message says, if it is one; what is too long would hold the loop up."""
    if len(body) > LONGEST:
        return _NO_WORD
    try:
        [words] = dramatiq.Message.decode(body).args
    except (DecodeError, ValueError, TypeError):
        return _NO_WORD
    return words if isinstance(words, str) else _NO_WORD
