"""SMS through Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource)."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from singr_comms._errors import AccountRefusedError, PermanentSendError, SendError, UnknownOutcomeError
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms
from singr_comms.providers._http import HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret

_NAME: Final = "twilio"


# Codes that speak of our account, its key, its numbers, its messaging service, its registrations or its queue, and not
# of the message or its recipient (https://www.twilio.com/docs/api/errors).
_ACCOUNT_CODES: Final = frozenset(
    {
        *(10001, 10002, 14108, 20003, 20004, 20005, 20006, 20008, 20009, 20010, 20403, 20404, 20426),
        *(21210, 21212, 21264, 21407, 21601, 21603, 21606, 21607, 21611, 21613, 21659, 21660, 21661),
        *range(21701, 21720),  # the messaging service: none, empty, or not ours
        *(30001, 30002, 30010, 30018, 30022, 30023, 30024, 30025, 30026, 30027, 30032, 30033, 30034, 30035, 30037),
        *(30038, 30039, 30040, 30044),
        *range(30700, 30900),  # brand, campaign or toll-free number: registration rejected
        *(57019, 60003, 60238, 63007, 63038, 90010),
        *range(572000, 573000),  # an account for trial
    }
)
# Of these, the ones that leave other recipients alone: those that an account for trial may write to, other countries.
_ONLY_SOME: Final = frozenset({21215, 21219, 21408, 21608, 572002, 572005})
# Where a message goes, or what it says: a recipient that cannot be written to or wants nothing, a text too long.
_OF_RECIPIENTS: Final = frozenset(
    {
        *(21211, 21214, 21217, 21401, 21421, 21602, 21604, 21605, 21610, 21612, 21614, 21617, 21618, 21619, 21635),
        *(30003, 30004, 30005, 30006, 30009, 30011, 30019, 60205, 60410, 60605),
    }
)
_FORBIDDEN_TO_RECIPIENTS: Final = frozenset({21211, 21610, 21612, 21614, 60205, 60410, 60605})  # with 403 all the same
_KEY_OR_BILL: Final = frozenset({401, 402})
_FORBIDDEN: Final = 403
_NOT_SENT: Final = frozenset({"undelivered", "failed", "canceled"})


def about_us(code: object, status: int = 200) -> bool | None:
    """Whether a code of Twilio's speaks of our account; None where it does not tell, so that words and status decide.

    An unknown key, an open bill and a missing permission (401, 402, 403) are ours whatever the code says, but for the
    few codes of recipients that come with 403.
    """
    number = _number(code)
    if status in _KEY_OR_BILL or (status == _FORBIDDEN and number not in _FORBIDDEN_TO_RECIPIENTS):
        return True
    if number in _ACCOUNT_CODES or number in _ONLY_SOME:
        return True
    return False if number in _OF_RECIPIENTS else None


def only_some(code: object) -> bool:
    """Whether an account that a code says is refused is open to other recipients."""
    return _number(code) in _ONLY_SOME


def _number(code: object) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit():
        return int(code[:6])
    return code if isinstance(code, int) else None


def _taken_back(body: Mapping[str, Any]) -> SendError:
    """What a 2xx means whose message was not sent all the same."""
    number = body.get("error_code")
    code = f"twilio_{number}" if isinstance(number, int | str) and number else f"twilio_{body.get('status')}"
    words = scrub(str(body.get("error_message") or f"twilio took the message and says that it is {body.get('status')}"))
    ours = about_us(number)
    if ours:
        return AccountRefusedError(code, words, only_some=only_some(number))
    return PermanentSendError(code, words, doubtful=ours is None)


class TwilioProvider:
    """Sends SMS through Twilio.

    Args:
        http: the application's HTTP client.
        account_sid: account, `AC…`.
        auth_token: its secret.
        sender: phone number in E.164 form that the SMS comes from.
        base_url: where the API is.
        brand: whose messages they are.
        trace_headers: see `HttpCaller`.
        deadline: seconds a whole call may take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        account_sid: str,
        auth_token: Secret,
        sender: str,
        base_url: str = "https://api.twilio.com",
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._sender = sender
        self._brand = brand
        self._url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages.json"

    @property
    def name(self) -> str:
        """`twilio`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """Twilio's Messages resource takes none."""
        return False

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one SMS; the receipt's id is the message SID. Raises as `SmsProvider` says."""
        text = render_sms(check_sms(envelope).message, self._brand)
        answer = await self._caller.post(
            self._url,
            auth=(self._account_sid, self._auth_token.reveal()),
            form={"To": envelope.to, "From": self._sender, "Body": text},
        )
        body = answer.body
        if not answer.ok:
            number = body.get("code")
            code = f"twilio_{number}" if isinstance(number, int) else f"twilio_http_{answer.status}"
            message = str(body.get("message", ""))
            ours = about_us(number, answer.status)
            raise self._caller.refusal(answer, code=code, message=message, about_us=ours, only_some=only_some(number))
        if body.get("error_code") or body.get("status") in _NOT_SENT:
            raise _taken_back(body)
        sid = body.get("sid")
        if not isinstance(sid, str) or not sid:
            raise UnknownOutcomeError("unreadable_answer", "twilio answered 2xx without a message SID")
        return SendReceipt(_NAME, sid)


def _build(given: Given) -> TwilioProvider:
    twilio = given.settings.twilio
    return TwilioProvider(
        given.http,
        account_sid=twilio.account_sid,
        auth_token=twilio.auth_token,
        sender=twilio.phone_number,
        base_url=twilio.base_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "sms", _build)
