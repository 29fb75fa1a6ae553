"""SMS through Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from singr_comms._errors import AccountRefusedError, PermanentSendError, SendError, TransientError, UnknownOutcomeError
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms
from singr_comms.providers._http import HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret

_NAME: Final = "twilio"


# Codes that speak of our account, its key, its numbers, its messaging service or its queue, whoever is written to
# (https://www.twilio.com/docs/api/errors).
_ACCOUNT_CODES: Final = frozenset(
    {
        *(10001, 10002, 14108, 20003, 20004, 20005, 20006, 20008, 20009, 20010, 20403, 20404, 20426),
        *(21210, 21212, 21264, 21407, 21601, 21603, 21607, 21611, 21613, 21660, 21661),
        *range(21701, 21703),  # the messaging service: none, empty, or not ours
        *range(21704, 21720),
        *(30001, 30002, 30037, 30039, 30040),
        *(57019, 60003, 63007, 63038, 90010),
        *range(572000, 573000),  # an account for trial
    }
)
# Likewise, where others may be written to all the same: those whom an account for trial may write to, other countries
# and networks. One caller's messages there must not hold everybody's.
_ONLY_SOME: Final = frozenset(
    {
        *(21215, 21219, 21408, 21608, 572002, 572005, 60238),
        *(21606, 21659),  # no sender of ours, or a short code of another country: Twilio has one code for both
        21703,  # no number of the messaging service's fits this recipient
        *(30010, 30044),  # what this message costs, and how long it is
        *(30018, 30024),  # a sender that is not registered in this country, or not yet with this network
        # The rules of the United States and Canada for long and toll-free numbers, and of single networks there.
        *(30022, 30023, 30025, 30026, 30027, 30032, 30033, 30034, 30035),
        *range(30700, 30900),  # brand, campaign or toll-free number: registration rejected there
    }
)
# Where a message goes, or what it says: a recipient that cannot be written to or wants nothing, a text too long, or of
# no use any more.
_OF_RECIPIENTS: Final = frozenset(
    {
        *(21211, 21214, 21217, 21401, 21421, 21602, 21604, 21605, 21610, 21612, 21614, 21617, 21618, 21619, 21635),
        *(30003, 30004, 30005, 30006, 30009, 30011, 30019, 30036, 30038, 60205, 60410, 60605),
    }
)
_FORBIDDEN_TO_RECIPIENTS: Final = frozenset({21211, 21610, 21612, 21614, 60205, 60410, 60605})  # with 403 all the same
_KEY_OR_BILL: Final = frozenset({401, 402})
_FORBIDDEN: Final = 403
_CLOCKS_DIFFER: Final = 120.0
_LISTED: Final = 100  # texts of 1,600 characters each, 12 bytes where they are escaped: within what is read of a list
_LONGEST_LIFE: Final = 36_000  # https://www.twilio.com/docs/api/errors/21624
_TRIAL: Final = "Sent from your Twilio trial account - "
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
    """Whether an account that a code says is refused is open to other recipients, or for other messages."""
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
        return AccountRefusedError(code, words, only_some=only_some(number), of_message=True)
    return PermanentSendError(code, words, doubtful=ours is None)


class TwilioProvider:
    """Sends SMS through Twilio.

    Args:
        http: the application's HTTP client.
        account_sid: account, `AC…`.
        auth_token: its secret.
        sender: phone number in E.164 form that the SMS comes from; not used with a messaging service.
        messaging_service: SID (`MG…`) of the service that chooses a sender from its pool; empty for none.
        status_callback: where Twilio says what became of a message; the message's token goes with it, as `message_id`
            in the query. Empty for none.
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
        sender: str = "",
        messaging_service: str = "",
        status_callback: str = "",
        base_url: str = "https://api.twilio.com",
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._from = {"MessagingServiceSid": messaging_service} if messaging_service else {"From": sender}
        self._status_callback = status_callback
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
        text = render_sms(check_sms(envelope).message, envelope.brand or self._brand, envelope.locale)
        answer = await self._caller.post(
            self._url,
            auth=self._auth(),
            form={
                "To": envelope.to,
                **self._from,
                "Body": text,
                **_lives(envelope.time_to_live),
                **self._called_back(envelope.idempotency_token),
            },
        )
        body = answer.body
        if not answer.ok:
            number = body.get("code")
            code = f"twilio_{number}" if isinstance(number, int) else f"twilio_http_{answer.status}"
            message = str(body.get("message", ""))
            ours = about_us(number, answer.status)
            raise self._caller.refusal(answer, code=code, message=message, about_us=ours, only_some=only_some(number))
        return _receipt(body)

    async def look_up(self, envelope: SmsEnvelope, began_at: float, /) -> SendReceipt | None:
        """Look for the text among the messages to this number; raises as `LooksUp` says.

        Twilio keeps no id of ours. What counts is a message with this very text that was made after the attempt began;
        the list by day leaves out what still waits in Twilio's queue, so that the newest ones are looked at too.
        """
        text = render_sms(check_sms(envelope).message, envelope.brand or self._brand, envelope.locale)
        day = datetime.fromtimestamp(began_at - _CLOCKS_DIFFER, UTC).strftime("%Y-%m-%d")
        for query in ({"DateSent>": day}, {}):
            listed = await self._caller.ask(
                self._url, auth=self._auth(), params={"To": envelope.to, "PageSize": _LISTED, **query}
            )
            messages = listed.get("messages")
            if not isinstance(messages, list):
                raise TransientError("unreadable_answer", "twilio answered 2xx without a list of messages")
            for one in messages:
                if isinstance(one, dict) and _is_it(one, envelope.to, text, began_at - _CLOCKS_DIFFER):
                    return _what_came_of(one)
            if listed.get("next_page_uri") and query:
                # More to one number in a day than anybody reads: the right one may be on another page.
                raise UnknownOutcomeError(
                    "too_many_listed", f"twilio lists more than {_LISTED} messages to this number"
                )
        return None

    def _called_back(self, token: str) -> dict[str, str]:
        if not self._status_callback:
            return {}
        joint = "&" if "?" in self._status_callback else "?"
        return {"StatusCallback": f"{self._status_callback}{joint}message_id={token}"}

    def _auth(self) -> tuple[str, str]:
        return self._account_sid, self._auth_token.reveal()


def _lives(seconds: int | None) -> dict[str, str]:
    """For how long it may wait in Twilio's queue."""
    return {} if seconds is None else {"ValidityPeriod": str(min(seconds, _LONGEST_LIFE))}


def _is_it(one: Mapping[str, Any], to: str, text: str, made_after: float) -> bool:
    """Whether a listed message is the one with this text; an account for trials puts its own words before it."""
    try:
        made = parsedate_to_datetime(str(one.get("date_created"))).timestamp()
    except ValueError:
        return False
    body = " ".join(str(one.get("body")).split())
    return one.get("to") == to and made >= made_after and body.removeprefix(_TRIAL) == " ".join(text.split())


def _receipt(body: Mapping[str, Any]) -> SendReceipt:
    """What a message of Twilio's comes to.

    Raises:
        AccountRefusedError: it was taken, and is not sent for a reason of our account's.
        PermanentSendError: likewise, for a reason of its own.
        UnknownOutcomeError: it has no SID.
    """
    if body.get("error_code") or body.get("status") in _NOT_SENT:
        raise _taken_back(body)
    sid = body.get("sid")
    if not isinstance(sid, str) or not sid:
        raise UnknownOutcomeError("unreadable_answer", "twilio answered 2xx without a message SID", foreign=True)
    return SendReceipt(_NAME, sid)


def _what_came_of(listed: Mapping[str, Any]) -> SendReceipt:
    try:
        return _receipt(listed)
    except AccountRefusedError as error:  # whoever is to blame: this message was taken, and is over
        raise PermanentSendError(error.code, error.message) from error


def _build(given: Given) -> TwilioProvider:
    twilio = given.settings.twilio
    return TwilioProvider(
        given.http,
        account_sid=twilio.account_sid,
        auth_token=twilio.auth_token,
        sender=twilio.phone_number,
        messaging_service=twilio.messaging_service_sid,
        status_callback=twilio.status_callback,
        base_url=twilio.base_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "sms", _build)
