"""What all simulators share: faults, what was received, and control over HTTP."""

import asyncio
import base64
import contextlib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev._local import local_only
from singr_dev._serving import Receive, Scope, Send, address_of, caller_left, drop_connection, listen, serving
from singr_dev.simulators._faults import AcceptThenDrop, AcceptThenFail, Fail, Faults, Hang, Intercept
from singr_observability import get_logger

_log = get_logger("singr_dev.simulators")


@dataclass(frozen=True)
class Received:
    """One message that a simulator accepted.

    Attributes:
        id: the id that the provider gave it.
        message: the message as it was sent (a Mailjet message object, Twilio's form fields).
        headers: the request's headers, names in lower case.
        at: Unix time.
    """

    id: str
    message: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float = field(default_factory=clock.time)


@dataclass(frozen=True)
class Answer:
    """What a provider says to a request, what it accepted with it, and what it does then."""

    status: int
    body: Any
    accepted: tuple[Received, ...] = ()
    then: Callable[[], None] | None = None


class Simulator(ABC):
    """A provider on loopback, strict as the real one, that can be told to misbehave.

    In another process the same is done over HTTP: `POST /_control/` with `fail_next`, `hang_next`, `intercept_next`,
    `accept_then_drop_next`, `accept_then_fail_next`, `fail_look_ups` and `reset` takes the arguments as JSON;
    `GET /_control/received` lists. Pages in a browser are refused: what was received holds codes and links.

    Attributes:
        received: what was accepted, oldest first.
        listeners: are called with each message that is accepted, before the caller is answered. One that fails is
            logged, and changes no answer.
    """

    base_url = ""

    def __init__(self) -> None:
        self.faults = Faults()
        self.look_up_faults = Faults()
        self.received: list[Received] = []
        self.listeners: list[Callable[[Received], None]] = []
        self.requests = 0
        self._lock = threading.Lock()
        app = Starlette(
            routes=[
                *self.routes(),
                Route("/_control/received", self._list_received),
                Route("/_control/{action}", self._control, methods=["POST"]),
            ]
        )
        self._app = local_only(app, "simulator")

    def fail_next(self, status: int = 500, times: int = 1, retry_after: float | None = None) -> None:
        """Answer the next `times` sends with `status` (and `Retry-After` seconds); nothing is accepted."""
        self.faults.plan(Fail(status, retry_after), times)

    def hang_next(self, seconds: float = 60, times: int = 1, *, accept: bool = False) -> None:
        """Leave the next sends waiting; a caller that gives up sooner has sent nothing, unless `accept`."""
        self.faults.plan(Hang(seconds, accept), times)

    def intercept_next(self, body: str = "<html>Sign in to this network</html>", times: int = 1) -> None:
        """Answer the next sends with 200 and `body`, as a network does that wants a sign-in; nothing is accepted."""
        self.faults.plan(Intercept(body), times)

    def accept_then_drop_next(self, times: int = 1) -> None:
        """Accept the next sends, then cut the connection: the caller cannot know that they were accepted."""
        self.faults.plan(AcceptThenDrop(), times)

    def accept_then_fail_next(self, status: int = 500, times: int = 1) -> None:
        """Accept the next sends and answer them with `status`, as if they had not been."""
        self.faults.plan(AcceptThenFail(status), times)

    def fail_look_ups(self, status: int = 500, times: int = 1) -> None:
        """Answer the next questions for what was sent with `status`; sends are not touched."""
        self.look_up_faults.plan(Fail(status), times)

    def reset(self) -> None:
        """Forget what was received and planned."""
        self.faults.clear()
        self.look_up_faults.clear()
        with self._lock:
            self.received.clear()
            self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self._app(scope, receive, send)

    @contextlib.contextmanager
    def serve(self, port: int = 0) -> Iterator[Self]:
        """Serve on loopback (a free port by default) for the length of the block."""
        listener = listen(port=port)
        self.base_url = address_of(listener)  # answers tell it, and the first may be asked for as soon as it listens
        with serving(self, listener=listener):
            yield self

    @property
    @abstractmethod
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""

    @abstractmethod
    def routes(self) -> list[Route]:
        """The provider's routes."""

    @abstractmethod
    def fault_body(self, status: int) -> Any:
        """The provider's error body for a status."""

    async def respond(self, request: Request, answer: Answer) -> Response:
        """Send `answer`, with the fault that was planned for this request, if any."""
        fault = self.faults.take()
        match fault:
            case Fail(status, retry_after):
                headers = {} if retry_after is None else {"Retry-After": str(math.ceil(retry_after))}
                return JSONResponse(self.fault_body(status), status, headers)
            case Intercept(body):
                return Response(body, media_type="text/html")
            case Hang(seconds, False):
                if await self._left_within(request, seconds):
                    return Response()  # goes nowhere
            case _:
                pass
        self._accept(answer)
        match fault:
            case AcceptThenDrop():
                await drop_connection(request.scope, request.receive)
                return Response()  # goes nowhere
            case AcceptThenFail(status):
                return JSONResponse(self.fault_body(status), status)
            case Hang(seconds, True):
                await self._left_within(request, seconds)
            case _:
                pass
        return JSONResponse(answer.body, answer.status)

    def looked_up(self, body: Any, form: type[JSONResponse] = JSONResponse) -> Response:
        """Answer a question for what was sent, in a form, with the fault that was planned for it, if any."""
        match self.look_up_faults.take():
            case Fail(status):
                return JSONResponse(self.fault_body(status), status)
            case _:
                return form(body)

    def count(self) -> None:
        """Count a send request, whatever becomes of it."""
        with self._lock:
            self.requests += 1

    def _accept(self, answer: Answer) -> None:
        with self._lock:
            self.received.extend(answer.accepted)
        for accepted in answer.accepted:
            for listener in self.listeners:
                try:
                    listener(accepted)
                except Exception as error:  # noqa: BLE001 - the provider took it, whoever looks on
                    _log.opt(exception=error).error("what listens to {} failed at {}", type(self).__name__, accepted.id)
        if answer.then is not None:
            answer.then()

    @staticmethod
    async def _left_within(request: Request, seconds: float) -> bool:
        """Whether the caller hung up within that time."""
        try:
            await asyncio.wait_for(caller_left(request.scope), seconds)
        except TimeoutError:
            return False
        return True

    async def _list_received(self, _request: Request) -> Response:
        with self._lock:
            shown = [{"id": item.id, "message": dict(item.message), "at": item.at} for item in self.received]
        return JSONResponse({"received": shown, "requests": self.requests})

    async def _control(self, request: Request) -> Response:
        actions: dict[str, Callable[..., None]] = {
            "fail_next": self.fail_next,
            "hang_next": self.hang_next,
            "intercept_next": self.intercept_next,
            "accept_then_drop_next": self.accept_then_drop_next,
            "accept_then_fail_next": self.accept_then_fail_next,
            "fail_look_ups": self.fail_look_ups,
            "reset": self.reset,
        }
        action = actions.get(request.path_params["action"])
        if action is None:
            return JSONResponse({"error": f"known actions: {', '.join(actions)}"}, 404)
        body = await request.body()
        # What a page elsewhere could send without asking first (a form, plain text) is of other types.
        if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"error": "arguments are application/json"}, 415)
        try:
            action(**(await request.json() if body else {}))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User and password of HTTP basic authentication (RFC 7617)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None
