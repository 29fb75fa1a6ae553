"""Redis, which is disposable here: a client that says at once that the server is away.

Needs the extra `[redis]`.
"""

from singr_config.extras import require_extra

require_extra("singr-db", "redis", "redis")

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final, NoReturn

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings

__all__ = ["cancel_until_ended", "hear_channel", "redis_client", "refusal_of"]

# Seconds without a word after which a server is asked whether it still lives, and for which it may think about that.
_QUIET: Final = 15.0
_COMMAND: Final = re.compile(r"'([a-z|_-]+)' (?:command|subcommand)", re.IGNORECASE)
# What the first word of an answer means, and what would be right.
_MEANS: Final = {
    "BUSY": "a script or function runs without end, and nothing else until SCRIPT KILL or FUNCTION KILL",
    "LOADING": "it reads its data from disk, and serves when it has",
    "MISCONF": "it cannot write a snapshot to its disk, and takes no writes until it can: its log says why",
    "READONLY": "it is a replica: let REDIS_URL lead to the primary",
    "OOM": "it has no memory left: raise maxmemory, or find what fills it",
    "NOREPLICAS": "fewer replicas are there than min-replicas-to-write asks for",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "CLUSTERDOWN": "its cluster does not serve all slots",
    "MOVED": "it is one node of a cluster: let REDIS_URL lead to a Redis that is not divided",
    "DB": "it has no database of the number in REDIS_URL",
    "NOAUTH": "it asks for a password, and REDIS_URL has none: put it there",
    "WRONGPASS": "it refuses the user or the password of REDIS_URL: put there what it takes",
}
_ASKS_FOR_ONE: Final = ("Authentication required", "NOAUTH")
_WORD: Final = re.compile(r"[A-Z]{2,}\b")
# Words that the client makes classes of, and takes out of the text.
_CLASSES: Final = (
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.AskError, "MOVED"),  # and its kind MovedError
    (redis.exceptions.ClusterCrossSlotError, "MOVED"),
    (redis.exceptions.AuthenticationError, "WRONGPASS"),
)


async def cancel_until_ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until it is taken: `wait_for` of Python 3.11, by which libraries wait, may swallow a cancellation."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.2)


def redis_client(settings: RedisSettings, *, timeout: float = 2.0) -> redis.asyncio.Redis:
    """A client that gives up after `timeout` seconds and never retries by itself.

    Redis is disposable here: a caller would rather know at once that it is away than wait for it. Where none is set it
    is away for good.
    """
    if not settings.configured:
        return redis.asyncio.Redis(connection_pool=_Nowhere())
    client = redis.asyncio.Redis.from_url(
        settings.url.reveal(),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_Cancelled, pool.connection_class), {})
    return client


async def hear_channel(client: redis.asyncio.Redis, channel: str) -> AsyncGenerator[bytes | str | None, None]:
    """Yield what is said on a channel, until the connection ends with an error.

    None comes first, once all that is said from now on will be heard. A server that is quiet for long is asked whether
    it lives: on a half-open connection nothing would be heard for as long as TCP has patience, a quarter of an hour.

    Raises:
        redis.RedisError: the server is away, or refuses.
        OSError: it is away; TimeoutError, it says nothing, not even that it lives.
    """
    async with client.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        # Sending the wish alone succeeds for a user without the right.
        if await pubsub.get_message(timeout=_QUIET) is None:
            raise TimeoutError
        yield None
        is_asked = False
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_QUIET)
            if message is not None and message["type"] == "message":
                yield message["data"]
            elif message is None:
                if is_asked:
                    raise TimeoutError
                await pubsub.ping()
            is_asked = message is None


class _Cancelled(redis.asyncio.connection.AbstractConnection):
    """Sends by the client's `wait_for`, which in Python 3.11 swallows a cancellation that comes as the bytes have left.

    A time limit would be lost that way, and a task that is to stop would go on.
    """

    async def send_packed_command(self, *command: Any, **options: Any) -> None:
        """Send, and tell the task if it was cancelled meanwhile; nobody waits for the answer then."""
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(*command, **options)
        if task and task.cancelling() > before:
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class _Nowhere(redis.asyncio.ConnectionPool):
    """Connections to a Redis that there is not."""

    async def get_connection(self, *_command: Any, **_options: Any) -> NoReturn:
        raise redis.ConnectionError("REDIS_URL is not set")


def refusal_of(error: BaseException) -> str | None:
    """Say what a server that answers refuses, and what would be right; None where it does not answer at all.

    Redis 7 gives a new user no channels, and managed ones withhold commands: the server answers a PING as ever.
    """
    if isinstance(error, redis.ConnectionError) and isinstance(error.__cause__, redis.RedisError):
        error = error.__cause__  # said while the client signed in, which it tells as a lost connection
    said = str(error)
    word = next((word for kind, word in _CLASSES if isinstance(error, kind)), "")
    if word == "WRONGPASS" and said.startswith(_ASKS_FOR_ONE):
        word = "NOAUTH"
    if not word:
        if not isinstance(error, redis.ResponseError):
            return None
        found = _WORD.match(said)
        word = found[0] if found else ""
    if word in _MEANS:
        return f"{word}: {_MEANS[word]}"
    if "permission" not in said.lower() and not isinstance(error, redis.exceptions.NoPermissionError):
        return word if word not in {"", "ERR"} else type(error).__name__
    return _right_of(said)


def _right_of(said: str) -> str:
    if command := _COMMAND.search(said):
        name = command[1].lower()
        return f"the user of REDIS_URL may not {name.upper()}: give it +{name}"
    if "channel" in said.lower():
        return "the user of REDIS_URL may not use the channel singr:wake: give it &singr:*"
    if "key" in said.lower():
        return "the user of REDIS_URL may not use our keys: give it ~singr:*"
    return "the user of REDIS_URL lacks a right (see ACL LOG)"
