"""A provider of text messages that Singr does not know, written in the team's own code: pip install singr-comms."""

import httpx

from singr_comms import SendReceipt, SmsEnvelope, TransientError, UnknownOutcomeError, check_sms, render_sms
from singr_comms.providers import Bearer, HttpCaller
from singr_config import Secret


class PostboxProvider:
    """Sends text messages through Postbox.

    Args:
        http: the service's own client.
        api_key: the account's key.
        base_url: where Postbox is.
        deadline: seconds a whole call may take.
    """

    name = "postbox"
    takes_idempotency_key = True  # Postbox drops a second message with the same `reference`

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        api_key: Secret,
        base_url: str = "https://postbox.example",
        deadline: float = 15,
    ) -> None:
        self._caller = HttpCaller(http, provider=self.name, deadline=deadline)
        self._auth = Bearer(api_key)
        self._url = f"{base_url}/messages"

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one text message."""
        text = render_sms(check_sms(envelope).message)
        body = {"to": envelope.to, "text": text, "reference": envelope.idempotency_token}
        answer = await self._caller.post(self._url, auth=self._auth, json=body)
        if not answer.ok:
            code, words = str(answer.body.get("error", answer.status)), str(answer.body.get("message", ""))
            about_us = {"bad_number": False, "no_credit": True}.get(code)  # None: the status decides
            raise self._caller.refusal(answer, code=f"postbox_{code}", message=words, about_us=about_us)
        if not answer.body.get("id"):
            raise UnknownOutcomeError("unreadable_answer", "postbox answered 2xx without an id", foreign=True)
        return SendReceipt(self.name, str(answer.body["id"]))

    async def look_up(self, envelope: SmsEnvelope, _began_at: float, /) -> SendReceipt | None:
        """Ask whether a message arrived whose answer was lost; None where Postbox certainly has none."""
        wanted = envelope.idempotency_token
        listed = await self._caller.ask(self._url, auth=self._auth, params={"reference": wanted})
        match listed.get("messages"):
            case []:
                return None
            case [{"id": str(identity), "reference": reference}] if reference == wanted:
                return SendReceipt(self.name, identity)
        raise TransientError("unreadable_answer", "postbox listed something else than this message")
