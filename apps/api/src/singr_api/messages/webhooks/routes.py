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


received = Section(
    "Webhooks",
    access=Access.CALLER,
    scope="operations:read",
    platform="Callbacks may speak of many organizations: no credential of one, and nobody acting for one, sees them.",
)
_REPLAYS: Final[dict[str, Any]] = {"scope": "operations:write", "idempotent": True}


@received.route("GET /v1/webhooks", "listWebhooks", page_with(examples.WEBHOOK))
async def index(session: PlatformSession, query: schemas.WebhookQuery) -> schemas.WebhookPage:
    """List callbacks that came in.

    Newest first, of the last thirty days. What they say is sealed; `outcome` tells what came of them.
    """
    page = await list_webhooks(
        session, provider=query.provider, state=query.state, limit=query.limit, cursor=query.cursor
    )
    return schemas.WebhookPage.of(page)


@received.route("GET /v1/webhooks/{webhook}", "readWebhook", Answer("It.", one=examples.ONE))
async def read(session: PlatformSession, webhook: UUID) -> WebhookView:
    """Read a callback that came in.

    Without what it says.
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
    """Show what applying a callback would change.

    It is applied in transactions that are rolled back; nothing changes. What was applied before shows as such.
    """
    effects = await services.callbacks.rehearse(webhook)
    if effects is None:
        raise WebhookNotFoundError("there is no such callback")
    return schemas.Rehearsal(tuple(effects))


@received.route(
    "POST /v1/webhooks/{webhook}/replay",
    "replayWebhook",
    Answer("It waits to be applied.", again=examples.AGAIN),
    problems=(NOT_FOUND,),
    body_examples={"why": examples.WHY},
    **_REPLAYS,
)
async def replay(session: PlatformSession, webhook: UUID, body: schemas.Replay | None = None) -> WebhookView:
    """Apply a callback once more.

    By a job, as when it came. What it told of messages before changes nothing again; STOP and START count anew,
    where the address answered nothing since.
    """
    return await replay_webhook(session, webhook, reason=body.reason if body else None)


@received.route(
    "POST /v1/webhooks/replay",
    "replayWebhooks",
    Answer("They wait to be applied.", again=examples.MANY_AGAIN),
    body_examples={"ignored": examples.IGNORED},
    **_REPLAYS,
)
async def replay_many(session: PlatformSession, body: schemas.ReplayMany) -> schemas.Replayed:
    """Apply callbacks once more that came to the same end.

    The oldest thousand that fit. Where `next_cursor` comes back, ask again with it as `cursor`, and another key, for
    the next: what comes to the same end again would fit again.
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
