"""Salum's SMS service on loopback, with its errors inside a 200 and its spelling.

with salum.serve() as simulator:
    ...  # send to simulator.base_url
    assert simulator.received[0].message["message"] == "…"
"""

import contextlib
import hmac
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from singr_dev.simulators._simulator import Answer, Received, Simulator

__all__ = ["SalumSimulator", "serve"]

_FIELDS: Final = frozenset({"apikey", "partnerID", "message", "shortcode", "mobile"})
_MOBILE: Final = re.compile(r"[1-9][0-9]{6,14}")
_LONGEST: Final = 1600


class SalumSimulator(Simulator):
    """`POST /api/services/sendsms/`: credentials in the body, one message a call.

    Args:
        api_key: the account's key.
        partner_id: the account.
        shortcodes: its sender ids; the first is named in `environ`.
        refused_networks: first digits of numbers whose network the account may not write to.
        credits: messages that are paid for; None: any number.
    """

    def __init__(
        self,
        *,
        api_key: str = "salum-api-key",
        partner_id: str = "1234",
        shortcodes: Iterable[str] = ("SINGR",),
        refused_networks: Iterable[str] = ("15005550002",),
        credits: int | None = None,  # noqa: A002 - as the account's owner calls them
    ) -> None:
        self.api_key, self.partner_id, self.shortcodes = api_key, partner_id, tuple(shortcodes)
        self.refused_networks, self.credits = tuple(refused_networks), credits
        self._ids = itertools.count(8_290_842)
        super().__init__()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {
            "SMS_PROVIDER": "salum",
            "SALUM_API_KEY": self.api_key,
            "SALUM_PARTNER_ID": self.partner_id,
            "SALUM_SHORTCODE": self.shortcodes[0],
            "SALUM_BASE_URL": self.base_url,
        }

    def routes(self) -> list[Route]:
        """The one route for sending."""
        return [Route("/api/services/sendsms/", self._send, methods=["POST"])]

    def fault_body(self, status: int) -> Any:
        """What its web server says when it fails."""
        return {"message": f"Server Error {status}"}

    async def _send(self, request: Request) -> Response:
        self.count()
        try:
            fields = json.loads(await request.body())
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            return await self.respond(request, Answer(200, _said(1009, "Unsupported data type")))
        if problem := self._problem(fields):
            return await self.respond(request, Answer(200, _said(*problem, fields.get("mobile"))))
        identity = next(self._ids)
        kept = {name: value for name, value in fields.items() if name != "apikey"}
        accepted = Received(str(identity), kept, dict(request.headers))
        answer = _said(200, "Success", fields["mobile"], identity)
        return await self.respond(request, Answer(200, answer, (accepted,), self._pay))

    def _pay(self) -> None:
        if self.credits is not None:
            self.credits -= 1

    def _problem(self, fields: Mapping[str, str]) -> tuple[int, str] | None:
        mobile, message = fields.get("mobile", ""), fields.get("message", "")
        key = hmac.compare_digest(fields.get("apikey", "").encode(), self.api_key.encode())
        checks = (
            (not fields.get("partnerID"), 4091, "No Partner ID is Set"),
            (not fields.get("apikey"), 4092, "No API KEY Provided"),
            (not key or fields["partnerID"] != self.partner_id, 1006, "Invalid credentials"),
            (not fields.keys() <= _FIELDS, 1009, "Unsupported data type"),
            (fields.get("shortcode") not in self.shortcodes, 1001, "Invalid sender id"),
            (not _MOBILE.fullmatch(mobile) or mobile == "15005550001", 1003, f"Invalid mobile number {mobile}"),
            (mobile.startswith(self.refused_networks), 1002, "Network not allowed"),
            (not 1 <= len(message) <= _LONGEST, 1009, "Unsupported data type"),
            (self.credits is not None and self.credits < 1, 1004, "Low bulk credits"),
        )
        return next(((code, text) for wrong, code, text in checks if wrong), None)


def _said(code: int, text: str, mobile: str | None = None, identity: int | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"respose-code": code, "response-description": text}
    if mobile is not None:
        answer |= {"mobile": mobile, "messageid": identity, "networkid": "1" if identity else None}
    return {"responses": [answer]}


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[SalumSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with SalumSimulator(**options).serve(port) as simulator:
        yield simulator
