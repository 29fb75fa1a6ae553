"""The ingestion lane: the hot routes, answered before the framework is asked.

The lane leaves nothing out. Its requests pass the same policy, the same guards and the same `submit` as those of the
documented handler behind it; only the framework's routing, dependency injection and responses are saved, which cost
more than all the rest. One suite of cases runs through both doors and compares their answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from singr_api.admission.call import Call, NoQuery, read_query
from singr_api.admission.gate import Guards
from singr_api.admission.idempotency import REPLAYED, Reply
from singr_api.admission.policy import PolicyTable
from singr_api.http.edge import KEYED, ASGIApp, Receive, Scope, Send
from singr_api.http.negotiation import check_accepts_json

Submit = Callable[[Call], Awaitable[Reply]]


class IngestionLane:
    """Answers POST on the paths of `submits` itself and hands everything else on.

    Args:
        app: the framework.
        guards: what every request passes.
        table: the policies of all routes.
        submits: the work behind each path, such as `{"/v1/jobs": submitter.submit}`.
    """

    def __init__(self, app: ASGIApp, *, guards: Guards, table: PolicyTable, submits: Mapping[str, Submit]) -> None:
        self._app = app
        self._guards = guards
        self._lanes: Final = {path: (table.of("POST", path), submit) for path, submit in submits.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        lane = self._lanes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if lane is None:
            await self._app(scope, receive, send)
            return
        policy, submit = lane
        scope["state"]["route_template"] = scope["path"]
        scope["state"][KEYED] = policy.idempotent
        headers = self._guards.headers(scope)
        check_accepts_json(headers.get(b"accept", b""))
        call = await self._guards.call(scope, receive, policy, headers)
        if scope["query_string"]:
            read_query(scope["query_string"], NoQuery)
        reply = await submit(call)
        scope["state"]["singr_plain"] = True  # none of the headers below is one that the edge adds
        answer = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
        if reply.location is not None:
            answer.append((b"location", reply.location.encode()))
        if reply.replayed:
            answer.append(REPLAYED)
        await send({"type": "http.response.start", "status": reply.status, "headers": answer})
        await send({"type": "http.response.body", "body": reply.body})
