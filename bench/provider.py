"""A provider in a process of its own: `python -m bench.provider CHANNEL PORT MILLISECONDS`, a simulator of ours.

It answers so many milliseconds after a message arrived. `/health` says how many messages it has accepted and how many
of them a second time, the seconds between the first and the last, and by which settings it is used.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_dev.simulators import FcmSimulator, MailjetSimulator, Simulator, TwilioSimulator

SIMULATORS: dict[str, type[Simulator]] = {"email": MailjetSimulator, "sms": TwilioSimulator, "push": FcmSimulator}


def slow(simulator: type[Simulator], milliseconds: float) -> Simulator:
    """A simulator that takes its time."""

    class Slow(simulator):  # type: ignore[misc,valid-type] # one of those above
        def routes(self) -> list[Route]:
            return [*super().routes(), Route("/health", self._health)]

        async def respond(self, request: Request, *answer: Any) -> Response:
            given: Response = await super().respond(request, *answer)
            if milliseconds:
                await asyncio.sleep(milliseconds / 1000)
            return given

        async def _health(self, _request: Request) -> Response:
            twice = len(getattr(self, "duplicates", ()))
            span = self.received[-1].at - self.received[0].at if self.received else 0.0
            told = {"accepted": len(self.received), "twice": twice}
            return JSONResponse({**told, "span": span, "environ": self.environ})

    made: Simulator = Slow()
    if isinstance(made, TwilioSimulator):
        made.calls_back = False  # nobody listens
    return made


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with slow(SIMULATORS[sys.argv[1]], float(sys.argv[3])).serve(int(sys.argv[2])):
        signal.pause()
