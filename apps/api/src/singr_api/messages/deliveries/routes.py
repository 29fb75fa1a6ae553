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

_WHO: Final = "is required, or else user_id; to ask about an address alone, use POST"


@deliveries.route("GET /v1/deliveries", "listDeliveries", page_with(DELIVERY))
async def index(session: TenantSession, services: Services, query: DeliveryQuery) -> DeliveryPage:
    """List messages.

    Newest first. Recipients are masked; message content is not shown.

    Filters by channel, type or status look through 10,000 messages per request. If few match, a page may be short or
    empty though there are more: `looked_back_to` says how far back it looked, and `next_cursor` continues from there;
    only a page without `next_cursor` is the last. Messages that are `unknown` or `failed` are found at once, however
    many newer ones there are.
    """
    filters = {name: value for name, value in asdict(query).items() if name != "organization_id"}
    return DeliveryPage.of(await services.deliveries.list(session, **filters))


@deliveries.route(
    "GET /v1/deliveries/explain",
    "explainToPerson",
    Answer("The explanation.", unwanted=UNWANTED, moved=MOVED),
)
async def explain_to_person(session: TenantSession, services: Services, query: ExplainQuery) -> SendingExplanation:
    """Explain whether a person would be notified, and why not.

    Evaluates the choices of the person and their organization (with the deciding `rule`), their address or devices,
    suppressions, limits and circuit breakers, as they are evaluated when a notification is decided and when an attempt
    starts; asking counts towards no limit. `reasons` lists everything that stands in the way, in order of evaluation;
    `decides` marks the first.
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
        delivered=Example("Delivered, as reported by the provider", DELIVERED),
        stopped=Example("Not sent: the recipient complained before", STOPPED),
    ),
    query=OrganizationQuery,
)
async def read(session: TenantSession, services: Services, delivery_id: UUID) -> DeliveryDetail:
    """Read a message and its history.

    Who requested it, and through which job; which rule allowed or stopped it; every attempt at a provider, and whether
    one is in doubt; what providers have reported since, by callback or when asked; and how people resolved it.
    Recipients are masked; message content is not shown.
    """
    found = await services.deliveries.read(session, delivery_id)
    if found is None:
        message = "There is no such message in this organization, or it has been deleted."
        raise refused(NOT_FOUND, FieldError("delivery_id", message, "path", "not_found"))
    return found


@deliveries.route(
    "POST /v1/deliveries/explain",
    "explainSending",
    Answer("The explanation.", stopped=COMPLAINED, moved=MOVED),
    query=OrganizationQuery,
    body_examples={"email": QUESTION},
    asks=True,
)
async def explain_sending(services: Services, organization_id: UUID, body: ExplainSending) -> SendingExplanation:
    """Explain why a message to an address would not be sent.

    Evaluates suppressions, limits, countries and circuit breakers as they are when a message is sent; asking counts
    towards no limit. `outcome` says what would become of a new message, and `reasons` why, in order of evaluation. It
    is a POST so that the address appears in no log. It uses the settings of this API; workers have the same.
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
    Answer("The message as it now stands.", declared=Example("Declared sent", DECLARED)),
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
    """Resolve a message in doubt.

    For a message whose status is `unknown`: its provider may have it, so it is not sent again automatically. Usually
    this resolves itself ten minutes later, when the provider is asked; a message that is still unresolved then has the
    code `outcome_unknown`. `sent` ends it, and discards its dead letter; `send_again` lets its job try again. The
    operation log records who decided.
    """
    await resolve_delivery(
        session, delivery_id, organization_id=organization_id, outcome=body.outcome, reason=body.reason
    )
    found = await services.deliveries.read(session, delivery_id)
    if found is None:
        raise DeliveryNotFoundError(delivery_id)
    return found
