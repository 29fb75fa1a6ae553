"""Codes that Twilio Verify v2 makes, sends and checks by itself (https://www.twilio.com/docs/verify/api)."""

import re
from typing import Final, Literal

import httpx

from singr_comms._errors import SendError, UnknownOutcomeError
from singr_comms.models._fields import E164
from singr_comms.models._message import checked
from singr_comms.providers._http import Answer, HttpCaller, TraceHeaders
from singr_comms.providers.twilio import about_us, only_some
from singr_config import Secret

_NAME: Final = "twilio_verify"
_DEADLINE: Final = 10.0
_CODE: Final = re.compile(r"[0-9]{4,10}", re.ASCII)
_NOT_FOUND: Final = 404
_TOO_MANY_CHECKS: Final = 60202


class TwilioVerify:
    """Has Twilio send a code to a phone, and check it.

    People wait for these calls, so they end sooner than sends do.

    Args:
        http: the application's HTTP client.
        account_sid: account, `AC…`.
        auth_token: its secret.
        service_sid: verify service, `VA…`.
        base_url: where the API is.
        trace_headers: see `HttpCaller`.
        deadline: seconds a whole call may take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        account_sid: str,
        auth_token: Secret,
        service_sid: str,
        base_url: str = "https://verify.twilio.com",
        trace_headers: TraceHeaders | None = None,
        deadline: float = _DEADLINE,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._url = f"{base_url.rstrip('/')}/v2/Services/{service_sid}"

    @property
    def name(self) -> str:
        """`twilio_verify`."""
        return _NAME

    async def start(self, phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        """Send a code to a phone (E.164); within ten minutes Twilio sends the same one again, five times at most.

        Raises:
            InvalidMessageError: `phone` is no number in E.164 form.
            TransientError: no code was sent; try again. `twilio_60203`: this number was sent too many.
            PermanentSendError: no code was sent, and none will be, such as `twilio_60205` for a landline.
            UnknownOutcomeError: perhaps a code was sent.
        """
        answer = await self._post("Verifications", {"To": checked(phone, E164), "Channel": channel})
        if not answer.ok:
            raise self._refusal(answer)
        if answer.body.get("status") != "pending" or answer.body.get("to") != phone:
            raise UnknownOutcomeError("unreadable_answer", "twilio answered 2xx without an open verification")

    async def check(self, phone: str, code: str) -> bool:
        """Tell whether this is the code that was sent last; Twilio accepts it once, for ten minutes, in five tries.

        False also where no verification of the number is open any more.

        Raises:
            InvalidMessageError: `phone` is no number in E.164 form.
            SendError: as for `start`; the code was not accepted.
        """
        number = checked(phone, E164)
        if not _CODE.fullmatch(code):
            return False
        answer = await self._post("VerificationCheck", {"To": number, "Code": code})
        # Twilio forgets a verification that was approved, that expired, or that was tried too often.
        if answer.status == _NOT_FOUND or answer.body.get("code") == _TOO_MANY_CHECKS:
            return False
        if not answer.ok:
            raise self._refusal(answer)
        body = answer.body
        return body.get("status") == "approved" and body.get("valid") is True and body.get("to") == number

    async def _post(self, resource: str, form: dict[str, str]) -> Answer:
        auth = (self._account_sid, self._auth_token.reveal())
        return await self._caller.post(f"{self._url}/{resource}", auth=auth, form=form)

    def _refusal(self, answer: Answer) -> SendError:
        number = answer.body.get("code")
        code = f"twilio_{number}" if isinstance(number, int) else f"twilio_http_{answer.status}"
        message = str(answer.body.get("message", ""))
        ours = about_us(number, answer.status)
        return self._caller.refusal(answer, code=code, message=message, about_us=ours, only_some=only_some(number))
