"""A provider of e-mail in a process of its own: `python -m bench.provider PORT MILLISECONDS`, Mailjet's simulator.

It answers so many milliseconds after it was asked. `/health` says how many messages it has accepted, and how many of
them a second time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_dev.simulators import MailjetSimulator


class Provider(MailjetSimulator):
    """The simulator that takes its time."""

    def __init__(self, milliseconds: float) -> None:
        self._seconds = milliseconds / 1000
        super().__init__()

    def routes(self) -> list[Route]:
        """Those of the simulator, and how it does."""
        return [*super().routes(), Route("/health", self._health)]

    async def respond(self, request: Request, *answer: Any) -> Response:
        """Answer as the simulator does, later."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return await super().respond(request, *answer)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"accepted": len(self.received), "twice": len(self.duplicates)})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Provider(float(sys.argv[2])).serve(int(sys.argv[1])):
        signal.pause()
