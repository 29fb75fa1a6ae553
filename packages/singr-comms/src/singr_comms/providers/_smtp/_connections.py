"""Connections to a mail server that are kept for the next message."""

import asyncio
import contextlib
import time
from typing import Final

import aiosmtplib

_MOST_KEPT: Final = 10
_IDLE: Final = 30.0  # servers hang up after minutes (RFC 5321 4.5.3.2.7), relays and firewalls sooner
_MOST_MESSAGES: Final = 100  # what many servers take on one connection
_RESET: Final = 5.0
_FRESH: Final = 1.0


class KeptConnections:
    """Those of one process that nobody uses now, the last used lent first. They belong to the loop that opened them."""

    def __init__(self) -> None:
        self._idle: list[tuple[aiosmtplib.SMTP, asyncio.TimerHandle]] = []
        self._clean_at: dict[int, float] = {}
        self._messages: dict[int, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def take(self) -> aiosmtplib.SMTP | None:
        """Lend one that answers RSET, or took its last message a moment ago; None where there is none.

        Where one does not answer, the server has hung up or gone, and none of the others is trusted either: nothing of
        the message has left, so a new connection takes it.
        """
        if self._loop is not asyncio.get_running_loop():
            self._idle.clear()  # of a loop that is over
            return None
        if not self._idle:
            return None
        client, timer = self._idle.pop()
        timer.cancel()
        if time.monotonic() - self._clean_at.pop(id(client), 0.0) < _FRESH:
            return client
        try:
            await client.rset(timeout=_RESET)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            self._drop(client)
            self._drop_idle()
            return None
        except BaseException:
            self._drop(client)
            raise
        return client

    def give(self, client: aiosmtplib.SMTP, *, taken: bool) -> None:
        """Keep one after a message, for half a minute; close it where enough are kept or it has done enough.

        Args:
            client: the connection.
            taken: the server took the message, and so is ready for another one as it is.
        """
        count = self._messages.get(id(client), 0) + 1
        if self._closed or not client.is_connected or count >= _MOST_MESSAGES or len(self._idle) >= _MOST_KEPT:
            self._drop(client)
            return
        self._loop = asyncio.get_running_loop()
        self._messages[id(client)] = count
        if taken:
            self._clean_at[id(client)] = time.monotonic()
        self._idle.append((client, self._loop.call_later(_IDLE, self._expire, client)))

    def drop(self, client: aiosmtplib.SMTP) -> None:
        """Close one that is in a state nobody knows."""
        self._drop(client)

    def distrust(self) -> None:
        """Close all that nobody uses: the server left another one, and they are as old."""
        self._drop_idle()

    async def close(self) -> None:
        """Say good-bye on all that nobody uses, and keep none from now on."""
        self._closed = True
        idle, self._idle = self._idle, []
        for client, timer in idle:
            timer.cancel()
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=1)
            self._drop(client)

    def _expire(self, client: aiosmtplib.SMTP) -> None:
        self._idle = [kept for kept in self._idle if kept[0] is not client]
        self._drop(client)

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for client, timer in idle:
            timer.cancel()
            self._drop(client)

    def _drop(self, client: aiosmtplib.SMTP) -> None:
        self._messages.pop(id(client), None)
        self._clean_at.pop(id(client), None)
        client.close()
