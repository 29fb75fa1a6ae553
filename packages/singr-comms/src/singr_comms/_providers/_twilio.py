"""SMS through Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource)."""

from typing import Final

import httpx

from singr_comms._errors import PermanentSendError, UnknownOutcomeError
from singr_comms._masking import scrub
from singr_comms._messages import SmsEnvelope, check_sms
from singr_comms._ports import LONGEST_CALL, SendReceipt
from singr_comms._providers._http import HttpCaller, TraceHeaders
from singr_comms._render import render_sms
from singr_config import Secret

_NAME: Final = "twilio"


class TwilioProvider:
    """Sends SMS through Twilio.

    Args:
        http: The application's HTTP client.
        account_sid: Account, ``AC…``.
        auth_token: Its secret.
        sender: Phone number in E.164 form that the SMS comes from.
        base_url: Where the API is.
        trace_headers: See :class:`HttpCaller`.
        deadline: Seconds a whole call may take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        account_sid: str,
        auth_token: Secret,
        sender: str,
        base_url: str = "https://api.twilio.com",
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._sender = sender
        self._url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages.json"

    @property
    def name(self) -> str:
        """``twilio``."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """Twilio's Messages resource takes none."""
        return False

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one SMS; the receipt's id is the message SID. Raises as :class:`SmsProvider` says."""
        text = render_sms(check_sms(envelope).message)
        answer = await self._caller.post(
            self._url,
            auth=(self._account_sid, self._auth_token.reveal()),
            form={"To": envelope.to, "From": self._sender, "Body": text},
        )
        body = answer.body
        if not answer.ok:
            number = body.get("code")
            code = f"twilio_{number}" if isinstance(number, int) else f"twilio_http_{answer.status}"
            raise self._caller.refusal(answer, code=code, message=str(body.get("message", "")))
        if body.get("error_code"):
            raise PermanentSendError(f"twilio_{body['error_code']}", scrub(str(body.get("error_message") or "refused")))
        sid = body.get("sid")
        if not isinstance(sid, str) or not sid:
            raise UnknownOutcomeError("unreadable_answer", "twilio answered 2xx without a message SID")
        return SendReceipt(_NAME, sid)
