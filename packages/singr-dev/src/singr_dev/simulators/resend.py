"""Resend's e-mails on loopback, with idempotency keys that live 24 hours.

with resend.serve() as simulator:
    ...  # send to simulator.base_url
    assert simulator.received[0].message["subject"] == "…"
"""

import contextlib
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev.simulators._simulator import Answer, Received, Simulator

__all__ = ["ResendSimulator", "serve"]

_KEY_LIVES: Final = 24 * 3600
_LONGEST_KEY: Final = 256
_MOST_RECIPIENTS: Final = 50
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MAILBOX: Final = re.compile(r'(?:"(?:[^"\\\x00-\x1f]|\\["\\])*"|[^"<>\x00-\x1f]*?) ?<(?P<address>[^<>]+)>')
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_KNOWN: Final = frozenset(
    {
        *("from", "to", "subject", "bcc", "cc", "scheduled_at", "reply_to", "html", "text", "headers", "topic_id"),
        *("attachments", "tags", "template"),
    }
)
_FAULTS: Final = {
    429: ("rate_limit_exceeded", "Too many requests. Please limit the number of requests per second."),
    401: ("missing_api_key", "Missing API Key"),
    403: ("invalid_api_key", "API key is invalid"),
}


class ResendSimulator(Simulator):
    """`POST /emails` and `GET /emails/{id}`: bearer key, user agent, verified domains, idempotency keys.

    Args:
        api_key: the account's key.
        domains: verified domains.
        owner: where an account without a verified domain may send to; None: the account has one.
    """

    def __init__(
        self,
        *,
        api_key: str = "re_singr_simulator",
        domains: Iterable[str] = ("singrkaraoke.com",),
        owner: str | None = None,
    ) -> None:
        self.api_key, self.domains, self.owner = api_key, frozenset(domains), owner
        self._kept: dict[str, tuple[float, str, dict[str, Any]]] = {}
        self._running: set[str] = set()
        super().__init__()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {
            "EMAIL_PROVIDER": "resend",
            "EMAIL_FROM": f"noreply@{min(self.domains)}",
            "RESEND_API_KEY": self.api_key,
            "RESEND_BASE_URL": self.base_url,
        }

    def reset(self) -> None:
        """Forget what was received and planned, and every key."""
        super().reset()
        self._kept.clear()
        self._running.clear()

    def routes(self) -> list[Route]:
        """Sending, and reading one e-mail."""
        return [
            Route("/emails", self._send, methods=["POST"]),
            Route("/emails/{id}", self._read, methods=["GET"]),
        ]

    def fault_body(self, status: int) -> Any:
        """Resend's error body."""
        name, text = _FAULTS.get(status, ("internal_server_error", "An unexpected error occurred."))
        return _error(status, name, text)

    async def _send(self, request: Request) -> Response:
        self.count()
        if refused := self._unauthorized(request):
            return refused
        body, key = await request.body(), request.headers.get("idempotency-key")
        if key is None:
            return await self.respond(request, self._answer(request, body))
        digest = hashlib.sha256(body).hexdigest()
        known = self._known(key)
        if refused := self._bad_key(key, digest, known):
            return refused
        if known:
            return await self.respond(request, Answer(200, known[2]))
        self._running.add(key)
        try:
            return await self.respond(request, self._answer(request, body, key, digest))
        finally:
            self._running.discard(key)

    def _bad_key(self, key: str, digest: str, known: tuple[float, str, dict[str, Any]] | None) -> Response | None:
        if not 1 <= len(key) <= _LONGEST_KEY:
            text = "Idempotency keys, if present, must have between 1 and 256 characters."
            return _refusal(400, "invalid_idempotency_key", text)
        if known and known[1] != digest:
            text = "Same idempotency key used with a different request payload."
            return _refusal(409, "invalid_idempotent_request", text)
        if key in self._running:
            text = "Same idempotency key used while original request is still in progress."
            return _refusal(409, "concurrent_idempotent_requests", text)
        return None

    def _known(self, key: str) -> tuple[float, str, dict[str, Any]] | None:
        known = self._kept.get(key)
        return known if known and clock.time() - known[0] < _KEY_LIVES else None

    def _answer(self, request: Request, body: bytes, key: str | None = None, digest: str = "") -> Answer:
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if not isinstance(message, dict) or not request.headers.get("content-type", "").startswith("application/json"):
            return Answer(400, _error(400, "validation_error", "The request body is not valid JSON."))
        if found := self._problem(message):
            return Answer(found["statusCode"], found)
        shown = {"id": str(uuid.uuid4())}

        def keep() -> None:
            if key is not None:
                self._kept[key] = (clock.time(), digest, shown)

        return Answer(200, shown, (Received(shown["id"], message, dict(request.headers)),), keep)

    def _problem(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        missing = [name for name in ("from", "to", "subject") if not message.get(name)]
        if not missing and not (message.get("html") or message.get("text") or "template" in message):
            missing = ["html"]
        if missing:
            return _error(422, "missing_required_field", f"Missing `{missing[0]}` field.")
        wrong = next((text for found, text in _faults(message) if found), None)
        return self._forbidden(message) if wrong is None else _error(422, "validation_error", wrong)

    def _forbidden(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        domain = (_address_in(message["from"]) or "").rpartition("@")[2].lower()
        if domain not in self.domains:
            text = f"The {domain} domain is not verified. Please, add and verify your domain."
            return _error(403, "validation_error", text)
        if self.owner is not None and any(_address_in(one) != self.owner for one in _recipients(message)):
            text = f"You can only send testing emails to your own email ({self.owner})."
            return _error(403, "validation_error", text)
        return None

    async def _read(self, request: Request) -> Response:
        if refused := self._unauthorized(request):
            return refused
        with self._lock:
            found = next((one for one in self.received if one.id == request.path_params["id"]), None)
        if found is None:
            return _refusal(404, "not_found", "Email not found")
        shown = {"object": "email", "id": found.id, "last_event": "sent", **found.message}
        return self.looked_up(shown | {"created_at": datetime.fromtimestamp(found.at, UTC).isoformat()})

    def _unauthorized(self, request: Request) -> Response | None:
        if not request.headers.get("user-agent"):
            return _refusal(403, "validation_error", "error code: 1010")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return _refusal(401, "missing_api_key", "Missing API Key")
        if not hmac.compare_digest(key.encode(), self.api_key.encode()):
            return _refusal(401, "validation_error", "API key is invalid")
        return None


_INVALID: Final = (
    "Invalid `{}` field. The email address needs to follow the `email@example.com` or"
    " `Name <email@example.com>` format."
)


def _faults(message: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
    to, tags = _recipients(message), message.get("tags", [])
    unknown = message.keys() - _KNOWN
    tagged = all(_TAG.fullmatch(str(tag.get(part, ""))) for tag in tags for part in ("name", "value"))
    return (
        (bool(unknown), f"Unknown field `{min(unknown, default='')}`."),
        (_address_in(message["from"]) is None, _INVALID.format("from")),
        (len(to) > _MOST_RECIPIENTS or any(_address_in(one) is None for one in to), _INVALID.format("to")),
        (bool({"\n", "\r"} & {*message["subject"]}), "The `\\n` is not allowed in the `subject` field."),
        (not tagged, "Tags in `tags` should only contain ASCII letters, numbers, underscores, or dashes."),
    )


def _recipients(message: Mapping[str, Any]) -> list[object]:
    to = message["to"]
    return to if isinstance(to, list) else [to]


def _address_in(mailbox: object) -> str | None:
    if not isinstance(mailbox, str):
        return None
    found = _MAILBOX.fullmatch(mailbox)
    address = found["address"] if found else mailbox
    return address if _ADDRESS.fullmatch(address) else None


def _error(status: int, name: str, message: str) -> dict[str, Any]:
    return {"statusCode": status, "name": name, "message": message}


def _refusal(status: int, name: str, message: str) -> Response:
    return JSONResponse(_error(status, name, message), status)


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[ResendSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with ResendSimulator(**options).serve(port) as simulator:
        yield simulator
