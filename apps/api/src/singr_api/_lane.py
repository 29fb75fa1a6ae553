"""The ingestion lane: the hot routes, answered before the framework is asked.

The lane leaves nothing out. It passes requests through the same gate and the same `submit` as the documented handler
behind it; only routing, dependency injection and response classes of the framework are saved, which cost more than all
else together. One suite of cases runs through both doors and compares their answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from singr_api._call import Call
from singr_api._edge import ASGIApp, Receive, Scope, Send
from singr_api._gate import Gate
from singr_api._idempotency import REPLAYED, Reply

Submit = Callable[[Call], Awaitable[Reply]]
_JSON: Final = b"application/json"


class IngestionLane:
    """Answers POST on the paths of ``submits`` itself and hands everything else on.

    Args:
        app: the framework.
        gate: what every request passes.
        submits: the work behind each path, such as ``{"/v1/jobs": submitter.submit}``.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, submits: Mapping[str, Submit]) -> None:
        self._app = app
        self._gate = gate
        self._submits = dict(submits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        submit = self._submits.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if submit is None:
            await self._app(scope, receive, send)
            return
        call = await self._gate.admit(scope, receive, route=scope["path"])
        reply = await submit(call)
        headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(reply.body))]
        if reply.location is not None:
            headers.append((b"location", reply.location.encode()))
        if reply.replayed:
            headers.append(REPLAYED)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
