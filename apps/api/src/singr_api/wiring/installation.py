"""Hands its parts to the routes: these are built once a process, however many installations it serves (as tests do)."""

import asyncio
from traceback import format_exc
from typing import Any

from singr_api.admission.browser import BROWSERS
from singr_api.admission.call import PARTS
from singr_api.admission.gate import GUARDS
from singr_api.http.edge import Receive, Scope, Send
from singr_api.wiring.services import Services


class Installation:
    """The routes, answered with the parts of one installation, which live as long as its lifespan.

    Args:
        routes: the framework.
        services: what their handlers are given.
    """

    def __init__(self, routes: Any, services: Services) -> None:
        self._routes = routes
        self._services = services
        self._parts = {PARTS: services, GUARDS: services.guards, BROWSERS: services.browsers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        scope.setdefault("state", {}).update(self._parts)
        await self._routes(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._services.running():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except asyncio.CancelledError:
            return  # the loop itself is ending, by an interrupt that comes again: nobody is left to be told
        except BaseException:
            await send({"type": f"lifespan.{phase}.failed", "message": format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})
