"""SMS through Salum (sms.salum.co.ke), whose errors come inside a 200."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx
import msgspec

from singr_comms._errors import SendError, TransientError, UnknownOutcomeError
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms
from singr_comms.providers._http import Answer, HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret

_NAME: Final = "salum"
_TAKEN: Final = 200
_NETWORK_NOT_ALLOWED: Final = 1002
# Sender, networks, credit, credentials, partner, key: of our account. The recipient's number, and what we asked for.
_ABOUT_US: Final[Mapping[int, bool]] = MappingProxyType(
    dict.fromkeys((1001, _NETWORK_NOT_ALLOWED, 1004, 1006, 4091, 4092, 4093), True)
    | dict.fromkeys((1003, 1009, 1010, 1012, 1104), False)
)
# "Failed. System error", and "Internal error. Try again after 5 minutes": nothing was sent.
_LATER: Final[Mapping[int, float | None]] = MappingProxyType({1005: None, 1007: None, 4090: 300.0})
_BAD_REQUEST: Final = 400
# As it is spelled there, and as it would be once somebody mends it.
_CODE_FIELDS: Final = ("respose-code", "response-code")


class SalumProvider:
    """Sends SMS through Salum. It takes no idempotency key and lists nothing by which a message could be looked up.

    Args:
        http: the application's HTTP client.
        api_key: the account's key.
        partner_id: the account.
        shortcode: who the SMS comes from: a registered sender id.
        base_url: where the API is.
        brand: whose messages they are.
        trace_headers: see `HttpCaller`.
        deadline: seconds a whole call may take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        api_key: Secret,
        partner_id: str,
        shortcode: str,
        base_url: str = "https://sms.salum.co.ke",
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._api_key = api_key
        self._partner_id = partner_id
        self._shortcode = shortcode
        self._brand = brand
        self._url = f"{base_url.rstrip('/')}/api/services/sendsms/"

    @property
    def name(self) -> str:
        """`salum`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """It takes none."""
        return False

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one SMS; the receipt's id is Salum's. Raises as `SmsProvider` says."""
        text = render_sms(check_sms(envelope).message, envelope.brand or self._brand, envelope.locale)
        answer = await self._caller.post(
            self._url,
            json={
                "apikey": self._api_key.reveal(),
                "partnerID": self._partner_id,
                "message": text,
                "shortcode": self._shortcode,
                "mobile": envelope.to.removeprefix("+"),
            },
        )
        first = _first(answer.body)
        code = _code(first)
        if answer.ok and code is None:
            raise UnknownOutcomeError("unreadable_answer", "salum answered 2xx without a response code", foreign=True)
        if not answer.ok or code != _TAKEN:
            raise self._refused(answer, code, str(first.get("response-description", "")))
        identity = first.get("messageid")
        return SendReceipt(_NAME, str(identity) if isinstance(identity, int | str) and identity else None)

    def _refused(self, answer: Answer, code: int | None, said: str) -> SendError:
        if code is None:
            return self._caller.refusal(answer, code=f"{_NAME}_http_{answer.status}", message=said)
        if code in _LATER:
            words = f"salum answered {code}: {scrub(said)}"
            return TransientError(f"{_NAME}_{code}", words, retry_after=_LATER[code] or answer.retry_after)
        own = msgspec.structs.replace(answer, status=_BAD_REQUEST) if answer.ok else answer
        return self._caller.refusal(
            own,
            code=f"{_NAME}_{code}",
            message=said,
            about_us=_ABOUT_US.get(code),
            only_some=code == _NETWORK_NOT_ALLOWED,
        )


def _first(body: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of the only message; some errors stand in the body itself."""
    responses = body.get("responses")
    if isinstance(responses, list) and responses and isinstance(responses[0], dict):
        return responses[0]
    return dict(body)


def _code(fields: Mapping[str, Any]) -> int | None:
    said = next((fields[name] for name in _CODE_FIELDS if name in fields), None)
    if isinstance(said, str) and said.isascii() and said.isdigit():
        said = int(said[:6])
    return said if isinstance(said, int) and not isinstance(said, bool) else None


def _build(given: Given) -> SalumProvider:
    salum = given.settings.salum
    return SalumProvider(
        given.http,
        api_key=salum.api_key,
        partner_id=salum.partner_id,
        shortcode=salum.shortcode,
        base_url=salum.base_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "sms", _build)
