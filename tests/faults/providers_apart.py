"""Providers in a process of their own, to be killed: what they took is on file before they answer, as with real ones.

`python -m providers_apart FOLDER MAILJET_PORT TWILIO_PORT FCM_PORT`; the key of the service account lies in the folder.
"""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from singr_dev.simulators import FcmSimulator, MailjetSimulator, Received, Simulator, TwilioSimulator
from singr_dev.simulators._simulator import Answer

# Seconds on the way to a provider, and back: a kill meets some call.
_WAY = 0.3
_KEY = "service-account.pem"


class Taken(msgspec.Struct, frozen=True):
    """One message that a provider took, as it is on file."""

    id: str
    message: dict[str, Any]
    at: float
    answer: Any


class OnFile(Simulator):
    """Remembers over its death what it took. To be mixed into a simulator, before it."""

    def __init__(self, file: Path, **options: Any) -> None:
        super().__init__(**options)
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for one in taken(file):
            self.received.append(Received(one.id, one.message, {}, one.at))
            self.remember(one)

    def remember(self, one: Taken) -> None:
        """Know of a message from before."""

    def reset(self) -> None:
        """Behave well from now on; what was taken stays on file."""
        self.faults.clear()

    async def respond(self, request: Request, answer: Answer) -> Response:
        await asyncio.sleep(_WAY)
        response = await super().respond(request, answer)
        await asyncio.sleep(_WAY)
        return response

    def _accept(self, answer: Answer) -> None:
        for one in answer.accepted:
            kept = Taken(one.id, dict(one.message), one.at, answer.body)
            os.write(self._file, msgspec.json.encode(kept) + b"\n")
        super()._accept(answer)


class Mailjet(OnFile, MailjetSimulator):
    """Mailjet, on file."""


class Twilio(OnFile, TwilioSimulator):
    """Twilio, on file."""

    def remember(self, one: Taken) -> None:
        self.messages[one.id] = one.answer | {"status": "delivered", "date_sent": formatdate(one.at)}


class Fcm(OnFile, FcmSimulator):
    """FCM, on file. Access tokens outlive it, as Google's do."""

    def _knows(self, authorization: str) -> bool:
        return authorization.startswith("Bearer ya29.")


def taken(file: Path) -> list[Taken]:
    """All that a provider took, from its file."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Taken) for line in lines]


class Apart:
    """Where the providers are and what they took, for the test that runs and kills them.

    Args:
        folder: for their files.
        ports: where they listen, each time that they are started; somebody keeps these for them.
    """

    def __init__(self, folder: Path, ports: tuple[int, int, int]) -> None:
        self.arguments = (str(folder), *map(str, ports))
        self._files = [folder / name for name in ("mailjet", "twilio", "fcm")]
        self._simulators: list[Simulator] = [MailjetSimulator(), TwilioSimulator(), fcm := FcmSimulator()]
        for simulator, port in zip(self._simulators, ports, strict=True):
            simulator.base_url = f"http://127.0.0.1:{port}"
        (folder / _KEY).write_text(fcm.private_key)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where they are told to misbehave."""
        return tuple(one.base_url for one in self._simulators)

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that point Singr at them."""
        return {name: value for one in self._simulators for name, value in one.environ.items()}

    def taken(self) -> tuple[list[Taken], list[Taken], list[Taken]]:
        """What each of them took: mails, text messages, pushes."""
        mails, texts, pushes = map(taken, self._files)
        return mails, texts, pushes


@contextlib.contextmanager
def kept_ports(number: int) -> Iterator[list[int]]:
    """Ports that nobody is given by chance meanwhile; while nobody listens there, callers are refused."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]


def main(folder: Path, *ports: int) -> None:
    """Serve until whoever started this is gone."""
    parent = os.getppid()
    with contextlib.ExitStack() as stack:
        providers: list[Simulator] = [
            Mailjet(folder / "mailjet"),
            Twilio(folder / "twilio"),
            Fcm(folder / "fcm", private_key=(folder / _KEY).read_text()),
        ]
        for provider, port in zip(providers, ports, strict=True):
            stack.enter_context(provider.serve(port))
        while os.getppid() == parent:
            time.sleep(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
