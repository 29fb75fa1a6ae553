"""The delivery log."""

from typing import Final
from uuid import UUID

from msgspec.structs import asdict

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import (
    DELIVERY_SETTLED,
    NOT_FOUND,
    UNIQUE_KEY_HELD,
    WORDS_GONE,
    FieldError,
    invalid,
    refused,
)
from singr_api.messages.deliveries.examples import (
    COMPLAINED,
    DECLARED,
    DELIVERED,
    DELIVERY,
    MOVED,
    QUESTION,
    SEEN,
    SENT,
    STOPPED,
    UNWANTED,
)
from singr_api.messages.deliveries.schemas import DeliveryPage, DeliveryQuery, ExplainQuery, ExplainSending, Resolve
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.notifications import (
    DeliveryDetail,
    DeliveryNotFoundError,
    QuestionError,
    SendingExplanation,
    SendingQuestion,
    resolve_delivery,
)
from singr_comms.notifying import explain
from singr_db import PlatformSession, TenantSession

deliveries = Section("Deliveries", access=Access.CALLER, scope="notifications:read")

_WHO: Final = "must be given, or user_id: one of the two; of an address alone, ask by POST"


@deliveries.route("GET /v1/deliveries", "listDeliveries", page_with(DELIVERY))
async def index(session: TenantSession, services: Services, query: DeliveryQuery) -> DeliveryPage:
    """List messages.

    Newest first. Recipients are masked; what a message says is not shown.
    """
    filters = {name: value for name, value in asdict(query).items() if name != "organization_id"}
    return DeliveryPage.of(await services.deliveries.list(session, **filters))


@deliveries.route(
    "GET /v1/deliveries/explain",
    "explainToPerson",
    Answer("What would become of it.", unwanted=UNWANTED, moved=MOVED),
)
async def explain_to_person(session: TenantSession, services: Services, query: ExplainQuery) -> SendingExplanation:
    """Explain whether somebody would be told, and why not.

    What they and their organization chose, with the rule that decides (`rule`), their address or devices, suppressions,
    limits and breakers are asked as when a notification is decided and as an attempt begins; nothing is counted by
    asking. `reasons` has all that stands in the way, in the order in which it is met; `decides` marks the first.
    """
    try:
        return await explain(
            session,
            query.type,
            query.channel,
            explainer=services.explainer,
            recipient=query.recipient,
            user_id=query.user_id,
            at=query.at,
        )
    except QuestionError as error:
        faults = (
            FieldError(one.field, _WHO if one.field == "recipient" else one.message, "query", one.code)
            for one in error.faults
        )
        raise invalid(*faults) from None


@deliveries.route(
    "GET /v1/deliveries/{delivery_id}",
    "readDelivery",
    Answer(
        "The message.",
        sent=Example("Sent at the first attempt", SENT),
        delivered=Example("Delivered, as its provider said", DELIVERED),
        stopped=Example("Not sent: its reader complained before", STOPPED),
    ),
    query=OrganizationQuery,
)
async def read(session: TenantSession, services: Services, delivery_id: UUID) -> DeliveryDetail:
    """Read a message's story.

    Who asked for it and by which job; what let it go or stopped it; every attempt at a provider, and whether one is in
    doubt; what providers said since, by callbacks or when they were asked; and what people said of it. Recipients are
    masked; what it says is not shown.
    """
    found = await services.deliveries.read(session, delivery_id)
    if found is None:
        message = "There is no such message in this organization, or it is not kept any more."
        raise refused(NOT_FOUND, FieldError("delivery_id", message, "path", "not_found"))
    return found


@deliveries.route(
    "POST /v1/deliveries/explain",
    "explainSending",
    Answer("What would become of it.", stopped=COMPLAINED, moved=MOVED),
    query=OrganizationQuery,
    body_examples={"email": QUESTION},
    asks=True,
)
async def explain_sending(services: Services, organization_id: UUID, body: ExplainSending) -> SendingExplanation:
    """Explain why a message to an address would not be sent.

    Suppressions, limits, countries and breakers are asked as when a message is sent, and nothing is counted by asking.
    `outcome` says what would become of a new message, `reasons` why, in the order in which they would be met. Asked by
    POST, so that the address stands in no log. It goes by this API's settings; workers have the same.
    """
    named = {"kind": "type", "recipient": "address"}
    given = {name: getattr(body, named.get(name, name)) for name in SendingQuestion.__struct_fields__}
    try:
        return await services.explainer.explain(organization_id, SendingQuestion(**given))
    except QuestionError as error:
        faults = (FieldError(named.get(one.field, one.field), one.message, "body", one.code) for one in error.faults)
        raise invalid(*faults) from None


@deliveries.route(
    "POST /v1/deliveries/{delivery_id}/resolve",
    "resolveDelivery",
    Answer("As it stands now.", declared=Example("Declared sent", DECLARED)),
    query=OrganizationQuery,
    problems=(DELIVERY_SETTLED, WORDS_GONE, UNIQUE_KEY_HELD, NOT_FOUND),
    body_examples={"sent": SEEN},
    scope="notifications:write",
    idempotent=True,
    one_factor="It is the organization's daily work, and gives nobody lasting power.",
)
async def resolve(
    session: PlatformSession, services: Services, organization_id: UUID, delivery_id: UUID, body: Resolve
) -> DeliveryDetail:
    """Say what became of a message in doubt.

    For a message whose status is `unknown`: its provider may have it, and it is not sent twice. Mostly this ends by
    itself, ten minutes later, when the provider is asked; what is left then has the code `outcome_unknown`. `sent` ends
    it, and puts its dead letter away; `send_again` lets its job try anew. The operation log tells who said so.
    """
    await resolve_delivery(
        session, delivery_id, organization_id=organization_id, outcome=body.outcome, reason=body.reason
    )
    found = await services.deliveries.read(session, delivery_id)
    if found is None:
        raise DeliveryNotFoundError(delivery_id)
    return found
