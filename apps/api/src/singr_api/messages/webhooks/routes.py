"""Callbacks of providers: where they come in; and list, read, replay, for operators."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import ProviderCall
from singr_api.admission.policy import Access
from singr_api.http.problems import CALLBACK_REFUSED, NOT_FOUND
from singr_api.messages.webhooks import examples, schemas
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.notifications import (
    WebhookNotFoundError,
    WebhookView,
    list_webhooks,
    read_webhook,
    replay_webhook,
    replay_webhooks,
)
from singr_db import PlatformSession

_WEBHOOK: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 40,
    "description": "The provider.",
    "examples": ["resend"],
}
_PART: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 200,
    "description": "The subject (`status` or `inbound` from Twilio), or the secret in the address (from Mailjet).",
    "examples": ["status"],
}
_TAKEN: Final = "Stored; a duplicate changes nothing."

callbacks = Section("Webhooks", access=Access.PROVIDER, problems=(CALLBACK_REFUSED,))


@callbacks.route(
    "POST /v1/webhooks/{webhook}",
    "receiveWebhook",
    Answer(_TAKEN),
    path_schemas={"webhook": _WEBHOOK},
)
async def receive(services: Services, call: ProviderCall, webhook: str) -> None:
    """Receive a callback.

    For providers, each of which authenticates over the raw body in its own way: Resend and Stripe with signatures,
    Mailjet with basic authentication. It is answered as soon as it is stored; what it reports about messages is applied
    moments later.
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
    """Receive a callback at an address with several parts.

    As above: Twilio with a signature over the configured address, Mailjet with a secret as the last part.
    """
    del webhook, part
    await services.webhooks.take(call.proved, correlation_id=call.request_id)


received = Section(
    "Webhooks",
    access=Access.CALLER,
    scope="operations:read",
    platform="Callbacks may speak of many organizations: no credential of one, and nobody acting for one, sees them.",
)
_REPLAYS: Final[dict[str, Any]] = {"scope": "operations:write", "idempotent": True}


@received.route("GET /v1/webhooks", "listWebhooks", page_with(examples.WEBHOOK))
async def index(session: PlatformSession, query: schemas.WebhookQuery) -> schemas.WebhookPage:
    """List received callbacks.

    Newest first, from the last thirty days. Their content is encrypted; `outcome` says what came of them.
    """
    page = await list_webhooks(
        session, provider=query.provider, state=query.state, limit=query.limit, cursor=query.cursor
    )
    return schemas.WebhookPage.of(page)


@received.route("GET /v1/webhooks/{webhook}", "readWebhook", Answer("The callback.", one=examples.ONE))
async def read(session: PlatformSession, webhook: UUID) -> WebhookView:
    """Read a received callback.

    Without its content.
    """
    return await read_webhook(session, webhook)


@received.route(
    "POST /v1/webhooks/{webhook}/rehearse",
    "rehearseWebhook",
    Answer("What would change.", effects=examples.EFFECTS),
    asks=True,
    problems=(NOT_FOUND,),
)
async def rehearse(services: Services, webhook: UUID) -> schemas.Rehearsal:
    """Preview what applying a callback would change.

    It is applied in transactions that are rolled back, so nothing changes. What was applied before is shown as such.
    """
    effects = await services.callbacks.rehearse(webhook)
    if effects is None:
        raise WebhookNotFoundError("there is no such callback")
    return schemas.Rehearsal(tuple(effects))


@received.route(
    "POST /v1/webhooks/{webhook}/replay",
    "replayWebhook",
    Answer("The callback waits to be applied.", again=examples.AGAIN),
    problems=(NOT_FOUND,),
    body_examples={"why": examples.WHY},
    **_REPLAYS,
)
async def replay(session: PlatformSession, webhook: UUID, body: schemas.Replay | None = None) -> WebhookView:
    """Apply a callback again.

    Done by a job, as when it arrived. Events already applied to messages change nothing again; STOP and START count
    again, unless the address has replied since.
    """
    return await replay_webhook(session, webhook, reason=body.reason if body else None)


@received.route(
    "POST /v1/webhooks/replay",
    "replayWebhooks",
    Answer("The callbacks wait to be applied.", again=examples.MANY_AGAIN),
    body_examples={"ignored": examples.IGNORED},
    **_REPLAYS,
)
async def replay_many(session: PlatformSession, body: schemas.ReplayMany) -> schemas.Replayed:
    """Apply all callbacks with the same outcome again.

    The oldest thousand that match. If `next_cursor` is returned, call again with it as `cursor`, and with another
    idempotency key, for the next ones: callbacks with the same outcome again would match again.
    """
    count, last = await replay_webhooks(
        session,
        state=body.state,
        provider=body.provider,
        received_after=body.received_after,
        cursor=body.cursor,
        reason=body.reason,
    )
    return schemas.Replayed(count, last)
