"""Mailjet's Send API v3.1 on loopback.

with mailjet.serve() as simulator:
    ...  # send to simulator.base_url
    assert simulator.received[0].message["Subject"] == "…"
"""

import contextlib
import hmac
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev.simulators import _mailjet_rules as rules
from singr_dev.simulators._simulator import Answer, Received, Simulator, basic_credentials

__all__ = ["MailjetSimulator", "serve"]

_UNAUTHORIZED = (
    "API key authentication/authorization failure. You may be unauthorized to access the API or your API key may be "
    "expired. Visit API keys management section to check your keys."
)
_MALFORMED = "Malformed JSON, please review the syntax and properties types."
_ROOT = frozenset({"Messages", "Globals", "SandboxMode", "AdvanceErrorHandling"})


class MailjetSimulator(Simulator):
    """`POST /v3.1/send`: basic authentication, bulk up to 50, templates, sandbox mode, errors per message.

    `GET /v3/REST/message` lists what was taken, newest first, by `CustomID`.

    Args:
        api_key: the account's public key.
        secret_key: its private key.
        senders: validated senders; `*@domain` validates a domain.
        templates: template ids of the account; None accepts any.
    """

    def __init__(
        self,
        *,
        api_key: str = "mailjet-api-key",
        secret_key: str = "mailjet-secret-key",  # noqa: S107 — a simulator's key
        senders: Iterable[str] = ("noreply@singrkaraoke.com",),
        templates: Iterable[int] | None = None,
    ) -> None:
        self.api_key, self.secret_key = api_key, secret_key
        self.account = rules.Account(
            frozenset(sender.lower() for sender in senders), None if templates is None else frozenset(templates)
        )
        self.sandboxed: list[Mapping[str, Any]] = []
        self._campaigns: set[tuple[str, str]] = set()
        self._ids = itertools.count(int(clock.time() * 1_000_000))
        super().__init__()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {
            "EMAIL_PROVIDER": "mailjet",
            "MAILJET_API_KEY": self.api_key,
            "MAILJET_SECRET_KEY": self.secret_key,
            "MAILJET_FROM_EMAIL": min(s for s in self.account.senders if not s.startswith("*")),
            "MAILJET_SANDBOX": "false",
            "MAILJET_BASE_URL": self.base_url,
        }

    @property
    def duplicates(self) -> list[str]:
        """`CustomID`s accepted more than once: Mailjet does not refuse them, a sender has to take care."""
        counted = Counter(item.message.get("CustomID", "") for item in self.received)
        return sorted(key for key, number in counted.items() if key and number > 1)

    def reset(self) -> None:
        """Forget what was received and planned."""
        super().reset()
        self.sandboxed.clear()
        self._campaigns.clear()

    def routes(self) -> list[Route]:
        """The Send API, and the list of messages."""
        return [
            Route("/v3.1/send", self._send, methods=["POST"]),
            Route("/v3/REST/message", self._list, methods=["GET"]),
        ]

    def fault_body(self, status: int) -> Any:
        """Mailjet's error body."""
        texts = {429: "Too Many Requests", 401: _UNAUTHORIZED}
        return rules.error("", texts.get(status, "Internal Server Error"), status=status)

    async def _send(self, request: Request) -> Response:
        self.count()
        if not self._knows(request):
            return JSONResponse(rules.error("mj-0015", _UNAUTHORIZED, status=401), 401)
        body = await request.body()
        answer = self._answer(body, dict(request.headers))
        return await self.respond(request, answer)

    async def _list(self, request: Request) -> Response:
        if not self._knows(request):
            return JSONResponse({"ErrorInfo": "", "ErrorMessage": _UNAUTHORIZED, "StatusCode": 401}, 401)
        with self._lock:
            taken = list(self.received)
        try:
            listed = rules.listed(taken, request.query_params)
        except ValueError as error:
            return JSONResponse({"ErrorInfo": "", "ErrorMessage": str(error), "StatusCode": 400}, 400)
        return self.looked_up({"Count": len(listed), "Data": listed, "Total": len(listed)})

    def _knows(self, request: Request) -> bool:
        credentials = basic_credentials(request) or ("", "")
        expected = (self.api_key, self.secret_key)
        return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(credentials, expected, strict=True))

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            messages, sandbox = _payload(body, headers.get("content-type", ""))
        except _Refused as refused:
            return Answer(400, refused.args[0])
        return self._answer_each(messages, headers, sandbox=sandbox)

    def _answer_each(self, messages: list[dict[str, Any]], headers: Mapping[str, str], *, sandbox: bool) -> Answer:
        shown, accepted, statuses = [], [], []
        for message in messages:
            if errors := rules.problems(message, self.account):
                shown.append({"Status": "error", "Errors": errors})
                statuses.append(errors[0]["StatusCode"])
                continue
            identity = 0 if sandbox else next(self._ids)
            shown.append(_success(message, identity))
            if sandbox:
                self.sandboxed.append(message)
            elif self._goes_out(message):
                accepted.append(Received(str(identity), message, headers))
        return Answer(max(statuses, default=200), {"Messages": shown}, tuple(accepted))

    def _goes_out(self, message: Mapping[str, Any]) -> bool:
        # DeduplicateCampaign: one message to a recipient in a campaign, whatever is asked
        if not message.get("DeduplicateCampaign"):
            return True
        keys = {(message["CustomCampaign"], item["Email"].lower()) for item in message["To"]}
        fresh = keys - self._campaigns
        self._campaigns |= keys
        return bool(fresh)


class _Refused(Exception):  # noqa: N818 — an answer, not a fault of ours
    """The whole request is refused; the argument is the error body."""


def _refuse_if(wrong: object, code: str, text: str, related: list[str] | None = None) -> None:
    if wrong:
        raise _Refused(rules.error(code, text, related))


def _payload(body: bytes, content_type: str) -> tuple[list[dict[str, Any]], bool]:
    """The messages (with `Globals` applied) and whether it is all for the sandbox."""
    _refuse_if(len(body) > rules.LARGEST_BODY, "mj-0011", "The payload size is over the limit.")
    _refuse_if(not content_type.startswith("application/json"), "mj-0002", _MALFORMED)
    try:
        sent = json.loads(body)
    except ValueError:
        raise _Refused(rules.error("mj-0002", _MALFORMED)) from None
    _refuse_if(not isinstance(sent, dict) or not sent.keys() <= _ROOT, "mj-0002", _MALFORMED)
    messages, common, sandbox = sent.get("Messages"), sent.get("Globals") or {}, sent.get("SandboxMode", False)
    _refuse_if(messages is None, "mj-0003", "Missing mandatory property.", ["Messages"])
    mistyped = not isinstance(messages, list) or not isinstance(common, dict) or not isinstance(sandbox, bool)
    _refuse_if(mistyped, "mj-0004", 'Type mismatch. Expected type "array of messages".', ["Messages"])
    _refuse_if(not messages, "mj-0007", "The array must not be empty.", ["Messages"])
    most = rules.MOST_MESSAGES
    _refuse_if(len(messages) > most, "mj-0008", f"Max Allowed item limit is {most}.", ["Messages"])
    known = all(isinstance(item, dict) and {*item, *common} <= rules.PROPERTIES for item in messages)
    _refuse_if(not known, "mj-0002", _MALFORMED)
    return [common | item for item in messages], sandbox


def _success(message: Mapping[str, Any], identity: int) -> dict[str, Any]:
    def recipients(name: str) -> list[dict[str, Any]]:
        return [
            {
                "Email": item["Email"],
                "MessageUUID": str(uuid.uuid4()) if identity else "",
                "MessageID": identity,
                "MessageHref": f"https://api.mailjet.com/v3/REST/message/{identity}",
            }
            for item in message.get(name, [])
        ]

    named = {name: recipients(name) for name in ("To", "Cc", "Bcc")}
    return {"Status": "success", "CustomID": message.get("CustomID", ""), **named}


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[MailjetSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with MailjetSimulator(**options).serve(port) as simulator:
        yield simulator
