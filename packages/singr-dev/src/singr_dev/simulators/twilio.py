"""Twilio's Messages resource and its Verify service on loopback.

with twilio.serve() as simulator:
    ...  # send to simulator.base_url
    assert simulator.received[0].message["Body"] == "…"
    simulator.code_for("+15555550100")  # what Verify sent last
"""

import asyncio
import contextlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev.simulators._simulator import Answer, Received, Simulator, basic_credentials
from singr_dev.simulators._sms_segments import segments
from singr_dev.simulators._twilio_list import EscapedResponse, page
from singr_dev.simulators._twilio_verify import RefusalError, Verifications
from singr_dev.simulators.callbacks import twilio_callback

__all__ = ["TwilioSimulator", "serve"]

_LONGEST_BODY = 1600
_LONGEST_LIFE = 36_000
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_CALLBACK = re.compile(r"https?://[^\s/]+(/\S*)?")
_KNOWN = frozenset(
    [
        "To",
        "From",
        "Body",
        "MessagingServiceSid",
        "StatusCallback",
        "ApplicationSid",
        "MaxPrice",
        "ProvideFeedback",
        "Attempt",
        "ValidityPeriod",
        "ForceDelivery",
        "ContentRetention",
        "AddressRetention",
        "SmartEncoded",
        "PersistentAction",
        "ShortenUrls",
        "ScheduleType",
        "SendAt",
        "SendAsMms",
        "ContentVariables",
        "RiskCheck",
        "ContentSid",
        "MediaUrl",
    ]
)
# numbers that Twilio itself keeps for tests of its errors
_MAGIC_TO = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: {to}"),
    "+15005550009": (21614, "To number: {to}, is not a mobile number"),
}
_NOT_A_SENDER = "The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID."
_NOT_YOUR_NUMBER = (
    "The From phone number {sender} is not a valid, SMS-capable inbound phone number or short code for your account."
)
_UNVERIFIED = (
    "The number {to} is unverified. Trial accounts cannot send messages to unverified numbers; verify {to} at "
    "twilio.com/user/account/phone-numbers/verified, or purchase a Twilio number to send messages to unverified numbers"
)


def _lives(period: str) -> bool:
    return period.isascii() and period.isdigit() and 1 <= int(period) <= _LONGEST_LIFE


class TwilioSimulator(Simulator):
    """`POST` and `GET /2010-04-01/Accounts/{sid}/Messages…json`, lists and status callbacks included; and Verify v2.

    Verify sends a random code to a number (`POST /v2/Services/{sid}/Verifications`) and checks it
    (`…/VerificationCheck`); a verification is over once it is approved, after ten minutes and after five checks.

    Args:
        account_sid: the account; None makes one up.
        auth_token: its token.
        numbers: the account's own numbers (E.164), allowed as `From`.
        messaging_services: its messaging services (`MG…`).
        verified: in a trial account the only numbers that may be written to; None: no trial account.
        unsubscribed: numbers whose owners answered STOP.
        verify_services: its Verify services (`VA…`); the first is named in `environ`.

    Attributes:
        queueing: while true, messages stay in Twilio's queue and are not sent.
        calls_back: whether it tells by itself that messages were sent and delivered.
    """

    def __init__(
        self,
        *,
        account_sid: str = "AC" + "5e" * 16,
        auth_token: str = "twilio-auth-token",  # noqa: S107 — a simulator's token
        numbers: Iterable[str] = ("+15005550006",),
        messaging_services: Iterable[str] = (),
        verified: Iterable[str] | None = None,
        unsubscribed: Iterable[str] = (),
        verify_services: Iterable[str] = ("VA" + "5e" * 16,),
    ) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self.numbers = tuple(numbers)
        self.messaging_services = frozenset(messaging_services)
        self.verified = None if verified is None else frozenset(verified)
        self.unsubscribed = set(unsubscribed)
        self.queueing, self.calls_back = False, True
        self.messages: dict[str, dict[str, Any]] = {}
        self.verify_services = tuple(verify_services)
        self._verifications = {service: Verifications(account_sid) for service in self.verify_services}
        self._callbacks: set[asyncio.Task[None]] = set()
        super().__init__()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {
            "SMS_PROVIDER": "twilio",
            "TWILIO_ACCOUNT_SID": self.account_sid,
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "TWILIO_PHONE_NUMBER": self.numbers[0],
            "TWILIO_BASE_URL": self.base_url,
            **({"TWILIO_VERIFY_SERVICE_SID": self.verify_services[0]} if self.verify_services else {}),
        }

    def code_for(self, phone: str) -> str:
        """Give the code that Verify sent to a number last; KeyError: no verification of it is open."""
        return self._verifications[self.verify_services[0]].code_for(phone)

    def expire_verifications(self) -> None:
        """Let the ten minutes pass that a code of Verify lives."""
        for verifications in self._verifications.values():
            verifications.expire()

    def reset(self) -> None:
        """Forget what was received and planned."""
        super().reset()
        self.messages.clear()
        for verifications in self._verifications.values():
            verifications.clear()

    def routes(self) -> list[Route]:
        """The Messages resource and the Verify service."""
        root = "/2010-04-01/Accounts/{account}/Messages"
        return [
            Route(f"{root}.json", self._create, methods=["POST"]),
            Route(f"{root}.json", self._list, methods=["GET"]),
            Route(f"{root}/{{sid}}.json", self._fetch, methods=["GET"]),
            Route("/v2/Services/{service}/Verifications", self._start, methods=["POST"]),
            Route("/v2/Services/{service}/VerificationCheck", self._check, methods=["POST"]),
        ]

    def fault_body(self, status: int) -> Any:
        """Twilio's error body."""
        codes = {429: (20429, "Too Many Requests"), 503: (20503, "Service Unavailable"), 401: (20003, "Authenticate")}
        return _error(*codes.get(status, (20500, "Internal Server Error")), status)

    async def _create(self, request: Request) -> Response:
        self.count()
        if refused := self._unauthorized(request):
            return refused
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return JSONResponse(_error(21604, "A 'To' phone number is required.", 400), 400)
        pairs = _form(await request.body())
        fields = dict(pairs)
        if problem := self._problem(fields):
            return await self.respond(request, Answer(problem["status"], problem))
        resource = self._resource(fields)
        accepted = Received(resource["sid"], fields, dict(request.headers))
        answer = await self.respond(request, Answer(201, resource, (accepted,)))
        if any(item.id == resource["sid"] for item in self.received):
            self.messages[resource["sid"]] = resource
            if not self.queueing:
                self._deliver(resource, fields.get("StatusCallback", ""))
        return answer

    async def _list(self, request: Request) -> Response:
        if refused := self._unauthorized(request):
            return refused
        try:
            found = page(list(self.messages.values()), request.query_params, request.url.path)
            return self.looked_up(found, EscapedResponse)
        except ValueError as error:
            return JSONResponse(_error(20001, str(error), 400), 400)

    async def _fetch(self, request: Request) -> Response:
        if refused := self._unauthorized(request):
            return refused
        sid = request.path_params["sid"]
        if (resource := self.messages.get(sid)) is None:
            text = f"The requested resource /2010-04-01/Accounts/{self.account_sid}/Messages/{sid}.json was not found"
            return JSONResponse(_error(20404, text, 404), 404)
        return JSONResponse(resource)

    async def _start(self, request: Request) -> Response:
        return await self._verify(request, self._started)

    async def _check(self, request: Request) -> Response:
        return await self._verify(request, self._checked)

    async def _verify(self, request: Request, answer: Callable[[Request, dict[str, str]], Answer]) -> Response:
        self.count()
        if refused := self._unauthorized(request):
            return refused
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        fields = dict(_form(await request.body())) if is_form else {}
        try:
            return await self.respond(request, answer(request, fields))
        except RefusalError as refusal:
            problem = _error(refusal.code, refusal.message, refusal.status)
            return await self.respond(request, Answer(refusal.status, problem))

    def _started(self, request: Request, fields: dict[str, str]) -> Answer:
        service = self._service(request)
        verification, shown, then = self._verifications[service].start(service, fields)
        message = fields | {"Body": f"Your Singr verification code is: {verification.code}"}
        return Answer(201, shown, (Received(verification.sid, message, dict(request.headers)),), then)

    def _checked(self, request: Request, fields: dict[str, str]) -> Answer:
        service = self._service(request)
        shown, then = self._verifications[service].check(service, fields)
        return Answer(200, shown, then=then)

    def _service(self, request: Request) -> str:
        service: str = request.path_params["service"]
        if service not in self._verifications:
            path = request.url.path.removeprefix("/v2")
            raise RefusalError(20404, 404, f"The requested resource {path} was not found")
        return service

    def _unauthorized(self, request: Request) -> Response | None:
        user, password = basic_credentials(request) or ("", "")
        right = hmac.compare_digest(user.encode(), self.account_sid.encode())
        right &= hmac.compare_digest(password.encode(), self.auth_token.encode())
        if right and request.path_params.get("account", self.account_sid) == self.account_sid:
            return None
        return JSONResponse(_error(20003, "Authenticate", 401), 401, {"WWW-Authenticate": 'Basic realm="Twilio API"'})

    def _problem(self, fields: Mapping[str, str]) -> dict[str, Any] | None:
        to, sender, body = fields.get("To", ""), fields.get("From", ""), fields.get("Body", "")
        service, callback = fields.get("MessagingServiceSid", ""), fields.get("StatusCallback", "")
        checks: tuple[tuple[bool, int, str], ...] = (
            (not to, 21604, "A 'To' phone number is required."),
            (not sender and not service, 21603, "A 'From' phone number is required."),
            (not body, 21602, "Message body is required."),
            (len(body) > _LONGEST_BODY, 21617, "The concatenated message body exceeds the 1600 character limit."),
            (to in _MAGIC_TO, *_MAGIC_TO.get(to, (0, ""))),
            (not _E164.fullmatch(to), 21211, "Invalid 'To' Phone Number: {to}"),
            (
                bool(service) and not self._owns_service(service),
                21705,
                "The Messaging Service Sid {service} is invalid.",
            ),
            (not service and not _E164.fullmatch(sender), 21212, _NOT_A_SENDER),
            (not service and sender not in self.numbers, 21606, _NOT_YOUR_NUMBER),
            (to == sender, 21266, "To and From number cannot be the same"),
            (self.verified is not None and to not in self.verified, 21608, _UNVERIFIED),
            (to in self.unsubscribed, 21610, "Attempt to send to unsubscribed recipient"),
            (
                bool(callback) and not _CALLBACK.fullmatch(callback),
                21609,
                "The 'StatusCallback' URL is not a valid URL.",
            ),
            (not _lives(fields.get("ValidityPeriod", "1")), 21624, "Invalid validity period value"),
            (not fields.keys() <= _KNOWN, 20001, "Unknown parameter"),
        )
        for wrong, code, text in checks:
            if wrong:
                return _error(code, text.format(to=to, sender=sender, service=service), 400)
        return None

    def _owns_service(self, sid: str) -> bool:
        return _SERVICE.fullmatch(sid) is not None and sid in self.messaging_services

    def _resource(self, fields: Mapping[str, str]) -> dict[str, Any]:
        sid = f"SM{secrets.token_hex(16)}"
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}"
        service = fields.get("MessagingServiceSid")
        return {
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": fields["Body"],
            "date_created": formatdate(clock.time()),
            "date_sent": None,
            "date_updated": formatdate(clock.time()),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": fields.get("From"),
            "messaging_service_sid": service,
            "num_media": "0",
            "num_segments": "0" if service else str(segments(fields["Body"])),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "accepted" if service else "queued",
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": fields["To"],
            "uri": f"{path}.json",
        }

    def _deliver(self, resource: dict[str, Any], callback: str) -> None:
        async def run() -> None:
            # Made only where somebody is called: a client loads certificates for 20 ms.
            calls = callback and self.calls_back
            async with httpx.AsyncClient(timeout=5) if calls else contextlib.nullcontext() as client:
                for status in ("sent", "delivered"):
                    resource.update(
                        status=status, date_sent=formatdate(clock.time()), date_updated=formatdate(clock.time())
                    )
                    if client is not None:
                        with contextlib.suppress(httpx.HTTPError):
                            await self._call_back(client, callback, resource)

        task = asyncio.get_running_loop().create_task(run())
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def _call_back(self, client: httpx.AsyncClient, url: str, resource: Mapping[str, Any]) -> None:
        fields = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "From": resource["from"] or self.numbers[0],
            "MessageSid": resource["sid"],
            "MessageStatus": resource["status"],
            "SmsSid": resource["sid"],
            "SmsStatus": resource["status"],
            "To": resource["to"],
        }
        signed = twilio_callback(url, fields, auth_token=self.auth_token)
        await client.post(url, content=signed.body, headers=signed.headers)


def _form(body: bytes) -> list[tuple[str, str]]:

    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)


def _error(code: int, text: str, status: int) -> dict[str, Any]:
    return {"code": code, "message": text, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[TwilioSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with TwilioSimulator(**options).serve(port) as simulator:
        yield simulator
