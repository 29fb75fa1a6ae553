"""Callbacks of providers: where they come in."""

from typing import Any, Final

from singr_api.admission.call import ProviderCall
from singr_api.admission.policy import Access
from singr_api.http.problems import CALLBACK_REFUSED
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services

_WEBHOOK: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 40,
    "description": "Who calls back.",
    "examples": ["resend"],
}
_PART: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 200,
    "description": "What about (`status` or `inbound` of Twilio), or the secret in the address (of Mailjet).",
    "examples": ["status"],
}
_TAKEN: Final = "It is stored, or was before: a copy changes nothing."

callbacks = Section("Webhooks", access=Access.PROVIDER, problems=(CALLBACK_REFUSED,))


@callbacks.route(
    "POST /v1/webhooks/{webhook}",
    "receiveWebhook",
    Answer(_TAKEN),
    path_schemas={"webhook": _WEBHOOK},
)
async def receive(services: Services, call: ProviderCall, webhook: str) -> None:
    """Receive a callback.

    For providers, which prove each by their own rule over the raw body: Resend and Stripe by their signatures, Mailjet
    by basic authentication. It is answered once it is stored; what it says of messages is applied within moments.
    """
    del webhook
    await services.webhooks.take(call.proved, correlation_id=call.request_id)


@callbacks.route(
    "POST /v1/webhooks/{webhook}/{part}",
    "receivePartOfWebhook",
    Answer(_TAKEN),
    path_schemas={"webhook": _WEBHOOK, "part": _PART},
)
async def receive_part(services: Services, call: ProviderCall, webhook: str, part: str) -> None:
    """Receive a callback at an address of more parts.

    As above: Twilio by its signature over the configured address, Mailjet by a secret as the last part.
    """
    del webhook, part
    await services.webhooks.take(call.proved, correlation_id=call.request_id)
