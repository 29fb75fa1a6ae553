"""The base of all chores: interval, jitter, what is logged, what is a fault; and how they are found."""

import asyncio
import importlib
import inspect
import pkgutil
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from types import ModuleType
from typing import Any, ClassVar, Final, get_type_hints

from singr_db.chores._switch import Switch
from singr_db.chores._trouble import Trouble
from singr_db.sessions._database import Database, PlatformSession

# Seconds between two words of a turn that hangs, at the least.
_TELLS_EVERY: Final = 1.0
# Seconds of a turn that goes on while there is more to do.
_BITES_LAST: Final = 10.0


class Chore(ABC):
    """Something to be done now and then, in any number of processes at once.

    Attributes:
        name: what is done, as the log says it: "settling messages".
        seen_as: the name by which operators see, pause and run it; what must never be paused has none.
        module: who says it there; the chore's own module unless given.
        every: seconds from the end of one run to the next.
        jitter: by which part of `every` a turn comes earlier or later, so that processes that were started together
            do not work together.
        at_once: whether the first turn comes at the start, or after an interval.
    """

    name: ClassVar[str]
    seen_as: ClassVar[str | None] = None
    module: ClassVar[str] = ""
    jitter: ClassVar[float] = 0.1
    at_once: ClassVar[bool] = True
    every: float
    switch: Switch | None = None

    @abstractmethod
    async def work(self) -> object:
        """Do it once; whatever it raises is logged, and tried again at the next turn."""

    async def run(self) -> None:
        """Do it every so often until cancelled; no error ends it.

        A fault is said when it begins and when it changes, an outage of the database as what it is.
        """
        trouble = Trouble(self.name, module=self.module or type(self).__module__)
        if self.switch is not None:
            await self.switch.known()
        if not self.at_once:
            await self._wait(self._pause())
        due = time.monotonic()
        while True:
            if self.switch is not None and not self.switch.begins():
                await self._wait(self._pause())
                due = time.monotonic()
                continue
            is_done, failure = False, None
            telling = asyncio.create_task(self._tell_while_it_hangs(due))
            try:
                await self.work()
                is_done = True
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                failure = error
                trouble.met(error)
                self.failed(error)
            finally:
                telling.cancel()
            now = time.monotonic()
            self.turned(max(0.0, now - due))
            pause = self._pause()
            if is_done:
                due = now + pause
            if self.switch is not None:
                self.switch.ends(failure)
            await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if self.switch is None else self.switch.wait(seconds))

    async def _tell_while_it_hangs(self, due: float) -> None:
        while True:
            await asyncio.sleep(max(self.every, _TELLS_EVERY))
            self.turned(max(0.0, time.monotonic() - due))

    def failed(self, error: Exception) -> None:  # noqa: B027 - a hook that most chores leave alone
        """A turn failed, and was logged; for chores that mind."""

    def turned(self, lag: float) -> None:  # noqa: B027 - likewise
        """A turn ended or hangs, `lag` seconds after the work was due: it stays so until one succeeds."""

    def _pause(self) -> float:
        return self.every * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - spreads load, guards nothing


class DatabaseChore(Chore):
    """A chore that needs the database and nothing else: every worker process does it (`chores_in` finds it)."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def in_bites(self, bite: Callable[[PlatformSession], Awaitable[int]], *, full: int) -> int:
        """Work in bites, each a transaction of its own, while they are full, for some seconds; how much was done.

        Args:
            bite: does a part of the work in the session that it is given; returns how much that was.
            full: as much as a bite does where more may be left.
        """
        began, done = time.monotonic(), 0
        while True:
            async with self.db.platform() as session:
                some = await bite(session)
            done += some
            if some < full or time.monotonic() - began > _BITES_LAST:
                return done


def chores_in(*rooms: ModuleType) -> list[type[DatabaseChore]]:
    """The chores that the modules of these packages define and that need the database alone, in the order of names.

    Imports them all. A worker runs more than these: retention is among those that `build_chores` builds.

    Args:
        rooms: packages, such as `singr_db.chores`.
    """
    return [kind for kind in chore_kinds(*rooms) if issubclass(kind, DatabaseChore)]


def chore_kinds(*rooms: ModuleType) -> list[type[Chore]]:
    """All chores that the modules of these packages define, whatever they need, in the order of their names."""
    found: dict[str, type[Chore]] = {}
    for room in rooms:
        for entry in pkgutil.iter_modules(room.__path__):
            module = importlib.import_module(f"{room.__name__}.{entry.name}")
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, Chore) and kind.__module__ == module.__name__:
                    found[f"{module.__name__}.{kind.__name__}"] = kind
    return [kind for _, kind in sorted(found.items()) if not inspect.isabstract(kind) and hasattr(kind, "name")]


def build_chores(parts: Iterable[object], *rooms: ModuleType) -> list[Chore]:
    """Build those chores of some packages that need nothing but these parts.

    A chore says what it needs by the types of its constructor's arguments, such as `Database` and `Metrics`.

    Args:
        parts: what there is, one of each type.
        rooms: packages, as for `chores_in`.
    """
    known = {type(part): part for part in parts}
    needed = ((kind, _needs(kind)) for kind in chore_kinds(*rooms))
    return [kind(*map(known.__getitem__, needs)) for kind, needs in needed if known.keys() >= set(needs)]


def _needs(kind: type[Chore]) -> list[Any]:
    types = get_type_hints(kind.__init__)
    return [types[name] for name in inspect.signature(kind).parameters]
