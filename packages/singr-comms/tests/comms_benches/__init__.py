"""Each provider beside the other side that it talks to: what the common suite of providers runs against.

One module for each provider, with one subclass of `Bench`. A module that is put here is in the suite.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Literal, Self

import httpx
import pytest

from singr_comms import EmailAddress
from singr_dev.simulators import Simulator

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr & Co. \N{EIGHTH NOTE}")
# Seconds for a whole call: only what is to run into its time limit has a short one, for a busy machine is slow.
PATIENT, IMPATIENT = 30.0, 1.0
TRACE = {"x-request-id": "req-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}


class Bench(ABC):
    """One provider, and the other side that it talks to.

    Attributes:
        channel: what it delivers.
        rejection: code of the error for an address that it will not take.
        unauthorized: code of the error for credentials that are not its own; None where it asks for none.
        drops_copies: whether the provider drops a second message with the same token.
        says_when: whether a busy provider says how long to wait; it then says 17 seconds.
    """

    channel: ClassVar[Literal["email", "sms", "push"]]
    rejection: ClassVar[str]
    unauthorized: ClassVar[str | None] = None
    drops_copies: ClassVar[bool] = False
    says_when: ClassVar[bool] = True
    provider: Any

    @classmethod
    @abstractmethod
    def open(cls, request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Any:
        """A bench for one test, as an asynchronous context; fixtures that are not asynchronous can be asked for."""

    @abstractmethod
    def texts(self) -> list[str]:
        """What was taken in, each as one text."""

    @abstractmethod
    def refuse_connections(self) -> None:
        """Nobody listens."""

    @abstractmethod
    def hang(self) -> None:
        """The message is read and never answered."""

    @abstractmethod
    def drop(self) -> None:
        """The message is taken, then the connection breaks."""

    def take_and_fail(self) -> None:
        """The message is taken, and the answer is an error of the provider's own."""
        raise NotImplementedError(
            "this provider cannot take a message and answer an error: only those that can are asked"
        )

    def fail_look_up(self) -> None:
        """The next question for what was sent fails."""
        raise NotImplementedError("this provider cannot be asked what it sent: only those that can are asked")

    @abstractmethod
    def busy(self) -> None:
        """Come back later."""

    @abstractmethod
    def rejected(self, envelope: Any) -> Any:
        """The envelope as this provider will not take it."""

    def forget_credentials(self) -> None:
        """The provider is called with credentials that are not its own."""
        raise NotImplementedError(
            "this provider cannot be called with other credentials: only those that can are asked"
        )


class SimulatorBench(Bench):
    """A provider over HTTP, and its simulator."""

    def __init__(self, simulator: Any, http: httpx.AsyncClient) -> None:
        self.simulator: Any = simulator
        self.http = http
        self.provider = self.build(simulator.base_url)

    @classmethod
    @asynccontextmanager
    async def open(cls, request: pytest.FixtureRequest, http: httpx.AsyncClient) -> AsyncIterator[Self]:
        with cls.simulated(request) as simulator:
            yield cls(simulator, http)

    @classmethod
    @abstractmethod
    def simulated(cls, request: pytest.FixtureRequest) -> AbstractContextManager[Simulator]:
        """The simulator, with nothing received yet, for the length of the block."""

    @abstractmethod
    def build(self, url: str, *, secret: str | None = None, deadline: float = PATIENT) -> Any:
        """The provider, talking to that address, with the simulator's own secret unless given."""

    def refuse_connections(self) -> None:
        self.provider = self.build("http://127.0.0.1:1")

    def forget_credentials(self) -> None:
        self.provider = self.build(self.simulator.base_url, secret="another")

    def hang(self) -> None:
        self.provider = self.build(self.simulator.base_url, deadline=IMPATIENT)
        self.simulator.hang_next()

    def drop(self) -> None:
        self.simulator.accept_then_drop_next()

    def take_and_fail(self) -> None:
        self.simulator.accept_then_fail_next()

    def fail_look_up(self) -> None:
        self.simulator.fail_look_ups()

    def busy(self) -> None:
        self.simulator.fail_next(status=429, retry_after=17)


def benches() -> dict[str, type[Bench]]:
    """The bench of each module of this package, by the module's name."""
    found: dict[str, type[Bench]] = {}
    for module in iter_modules(__path__):
        members = vars(import_module(f"{__name__}.{module.name}")).values()
        [found[module.name]] = [
            one for one in members if isinstance(one, type) and one.__module__ == f"{__name__}.{module.name}"
        ]
    return found
