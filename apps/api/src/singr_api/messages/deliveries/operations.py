"""Documentation of the routes of the delivery log."""

from typing import Any, Final

from singr_api.messages.deliveries.schemas import DeliveryPage, DeliveryQuery
from singr_api.routing.operations import Example, Operation, Outcome
from singr_api.work.jobs.schemas import OrganizationQuery
from singr_comms.notifications import DeliveryDetail

_DELIVERY: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000002",
    "job_id": "019ab2c0-7f00-7000-8000-000000000001",
    "user_id": None,
    "channel": "email",
    "kind": "song_request",
    "status": "sent",
    "recipient": "h***@bluenote.example",
    "provider": "smtp",
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "attempt_count": 1,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "created_at": "2026-11-22T12:00:00Z",
    "sent_at": "2026-11-22T12:00:00.120Z",
    "updated_at": "2026-11-22T12:00:00.120Z",
}
_ATTEMPT: Final[dict[str, Any]] = {
    "attempt": 1,
    "provider": "smtp",
    "status": "sent",
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "started_at": "2026-11-22T12:00:00.050Z",
    "finished_at": "2026-11-22T12:00:00.120Z",
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/deliveries",
        tag="Deliveries",
        name="listDeliveries",
        summary="List messages",
        description="Newest first. Recipients are masked; what a message says is not shown.",
        query=DeliveryQuery,
        outcomes=(
            Outcome(
                200,
                "A page.",
                DeliveryPage,
                examples={"page": Example("The last page", {"items": [_DELIVERY], "next_cursor": None})},
                headers={"Link": '`rel="next"`: the next page; absent at the end.'},
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/v1/deliveries/{delivery_id}",
        tag="Deliveries",
        name="readDelivery",
        summary="Read a message's story",
        description="With every attempt at a provider.",
        query=OrganizationQuery,
        outcomes=(
            Outcome(
                200,
                "The message.",
                DeliveryDetail,
                examples={"sent": Example("Sent at the first attempt", {**_DELIVERY, "attempts": [_ATTEMPT]})},
            ),
        ),
    ),
)
