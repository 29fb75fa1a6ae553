"""Which connections are open, and which of them make room for others."""

import asyncio
import contextlib
import itertools
import resource
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import msgspec

from singr_observability._addresses import address_of, networks_of, site_of, within
from singr_observability.server._limits import WireLimits

_SWEEP_SECONDS: Final = 1.0
_OWN_FILES: Final = 128
"""Files and sockets that a process keeps for itself: stores, logs, metrics."""


class Connection(Protocol):
    """One caller's connection."""

    site: str | None
    since: float

    def idle(self) -> None:
        """Close, unless a request is on its way."""
        ...

    def give_way(self) -> None:
        """Close: it holds no whole request."""
        ...


class Caller(msgspec.Struct, frozen=True):
    """Who is at the other end.

    Attributes:
        site: by what its connections are counted; None for this machine's own, and for proxies.
        proxy: many callers come through it.
    """

    site: str | None
    proxy: bool = False


class Connections:
    """The connections of one server.

    A newcomer is turned away only while everybody is being answered: else the connection that has waited longest for
    its caller (idle between requests, or with a request that is not whole yet) makes room for it. So a flood of
    connections that say nothing, or say it slowly, keeps nobody out.
    """

    def __init__(self, limits: WireLimits, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._sweep: asyncio.TimerHandle | None = None
        self._most = min(limits.connections, _files() - _OWN_FILES)
        self._per_site = limits.per_address
        self._trusted = networks_of(limits.trusted)
        self._sites: dict[str, int] = {}
        self._open = 0
        self.waiting: dict[Connection, None] = {}
        """Whose request is not whole, the longest waiting first."""

    @staticmethod
    def of(server: object, limits: WireLimits, idle_seconds: float) -> "Connections":
        """Return those of a server: every connection of it gets the same."""
        known = _SERVERS.get(server)
        if known is None:
            known = _SERVERS[server] = Connections(limits, idle_seconds)
        return known

    def caller(self, host: str | None) -> "Caller":
        """Return how a caller's connections are counted."""
        address = address_of(host or "")
        if address is None:
            return Caller(None)  # a socket in the file system
        proxy = within(address, self._trusted)
        return Caller(None if proxy or address.is_loopback else site_of(address), proxy=proxy)

    def opened(self, connection: Connection) -> bool:
        """Admit a connection; False if there is no room for it."""
        site = connection.site
        self._open += 1
        if site is not None:
            self._sites[site] = self._sites.get(site, 0) + 1
            if self._sites[site] > self._per_site and not self._make_room(site):
                return False
        if self._open > self._most and not self._make_room(None):
            return False
        self.waiting[connection] = None
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._look)
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection, admitted or not."""
        self._open -= 1
        self.waiting.pop(connection, None)
        site = connection.site
        if site is not None:
            left = self._sites.get(site, 1) - 1
            if left:
                self._sites[site] = left
            else:
                self._sites.pop(site, None)

    def _look(self) -> None:
        """End what has been idle for too long; look again in a second, while anybody is there."""
        loop = asyncio.get_running_loop()
        before = loop.time() - self._idle_seconds
        for connection in list(itertools.takewhile(lambda one: one.since <= before, self.waiting)):
            connection.idle()
        self._sweep = loop.call_later(_SWEEP_SECONDS, self._look) if self._open else None

    def _make_room(self, site: str | None) -> bool:
        for connection in self.waiting:
            if site is None or connection.site == site:
                del self.waiting[connection]
                connection.give_way()
                return True
        return False


_SERVERS: Final["WeakKeyDictionary[object, Connections]"] = WeakKeyDictionary()


def _files() -> int:
    """Return how many files this process may open, raised as far as it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft not in {resource.RLIM_INFINITY, hard}:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft
