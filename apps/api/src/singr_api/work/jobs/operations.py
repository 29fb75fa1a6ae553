"""Documentation of the routes of jobs."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.http.fields import OrganizationQuery
from singr_api.routing.operations import Example, Operation, Outcome
from singr_api.work.jobs.schemas import JobPage, JobQuery, creatable, union_of
from singr_jobs import JobDetail, Jobs, JobView

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_JOB: Final = "019ab2c0-7f00-7000-8000-000000000001"
_MESSAGE: Final = "019ab2c0-7f00-7000-8000-000000000002"

_EMAIL: Final[dict[str, Any]] = {
    "type": "email.send",
    "organization_id": _ORGANIZATION,
    "payload": {
        "to": {"email": "host@bluenote.example", "name": "Blue Note"},
        "message": {
            "kind": "song_request",
            "venue_name": "Blue Note",
            "artist": "Nina Simone",
            "title": "Feeling Good",
            "singer_name": "Ada",
            "link": "https://singrkaraoke.com/requests/42",
        },
    },
}
_SMS: Final[dict[str, Any]] = {
    "type": "sms.send",
    "organization_id": _ORGANIZATION,
    "priority": "high",
    "payload": {
        "to": "+15555550100",
        "message": {"kind": "plain", "text": "You are next: come to the stage."},
    },
}
_LATER: Final[dict[str, Any]] = {
    "type": "sms.send",
    "organization_id": _ORGANIZATION,
    "delay": 3600,
    "attempts": 5,
    "unique_key": "pickup-4711",
    "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "Your song is next."}},
}
_VIEW: Final[dict[str, Any]] = {
    "id": _JOB,
    "organization_id": _ORGANIZATION,
    "type": "email.send",
    "queue": "email",
    "status": "pending",
    "priority": "normal",
    "progress": 0,
    "attempt": 0,
    "max_attempts": 3,
    "run_at": "2026-11-22T12:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "cancel_requested": False,
    "unique_key": None,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "payload": {"message_id": _MESSAGE},
    "result": None,
    "error": None,
}
_FAILED: Final[dict[str, Any]] = {
    **_VIEW,
    "status": "failed",
    "attempt": 1,
    "started_at": "2026-11-22T12:00:00.040Z",
    "finished_at": "2026-11-22T12:00:00.310Z",
    "error": {"code": "recipient_refused", "message": "The provider refuses this recipient."},
    "attempts": [
        {
            "attempt": 1,
            "outcome": "failed",
            "error": {"code": "recipient_refused", "message": "The provider refuses this recipient."},
            "worker": "worker-1",
            "started_at": "2026-11-22T12:00:00.040Z",
            "finished_at": "2026-11-22T12:00:00.310Z",
        }
    ],
}
_REPLAYED: Final = {"Idempotency-Replayed": "`true` where this is the first answer to the key, given again."}


def operations(jobs: Jobs) -> tuple[Operation, ...]:
    """Return the operations; the body of creation is a union over the types that callers may create."""
    location = {"Location": "Where the job can be read."}
    return (
        Operation(
            method="POST",
            path="/v1/jobs",
            tag="Jobs",
            name="createJob",
            summary="Create a job",
            description=(
                "When this answers, the job is committed: it will run, whatever fails in between. `type` says what the"
                " `payload` is. A message needs `notifications:write` as well. Callers of an organization send"
                " what speaks in its own name, with links to the platform's sites; what speaks for people's"
                " accounts is kept to the platform's own credentials (403). Job and message are stored in one"
                " transaction with the idempotency record."
            ),
            body=union_of(creatable(jobs).values()),
            body_examples={
                "email": Example("E-mail to a venue: somebody asked for a song", _EMAIL),
                "sms": Example("Text message, before others", _SMS),
                "later": Example("In an hour, five tries, once however often it is asked for", _LATER),
            },
            outcomes=(
                Outcome(
                    202,
                    "Committed.",
                    JobView,
                    examples={"job": Example("A new job", _VIEW)},
                    headers={**location, **_REPLAYED},
                ),
                Outcome(
                    200,
                    "An unfinished job of this type has this `unique_key`; this is it.",
                    JobView,
                    headers={**location, **_REPLAYED},
                ),
            ),
            problems=(problems.JOB_EXISTS,),
        ),
        Operation(
            method="GET",
            path="/v1/jobs",
            tag="Jobs",
            name="listJobs",
            summary="List jobs",
            description="Newest first, unless told.",
            query=JobQuery,
            outcomes=(
                Outcome(
                    200,
                    "A page.",
                    JobPage,
                    examples={"page": Example("The last page", {"items": [_VIEW], "next_cursor": None})},
                    headers={"Link": '`rel="next"`: the next page; absent at the end.'},
                ),
            ),
        ),
        Operation(
            method="GET",
            path="/v1/jobs/{job_id}",
            tag="Jobs",
            name="readJob",
            summary="Read a job",
            description="With every attempt that did not succeed.",
            query=OrganizationQuery,
            outcomes=(Outcome(200, "The job.", JobDetail, examples={"failed": Example("A failed job", _FAILED)}),),
        ),
        Operation(
            method="POST",
            path="/v1/jobs/{job_id}/cancel",
            tag="Jobs",
            name="cancelJob",
            summary="Cancel a job",
            description=(
                "A waiting job is cancelled at once. A running one is asked to stop: it stays `processing`, with"
                " `cancel_requested`, until its worker has stopped it. A job that has ended cannot be cancelled (409)."
            ),
            query=OrganizationQuery,
            outcomes=(
                Outcome(
                    200,
                    "Cancelled, or asked to stop.",
                    JobView,
                    examples={
                        "cancelled": Example(
                            "A job that was waiting", {**_VIEW, "status": "cancelled", "cancel_requested": True}
                        )
                    },
                    headers=_REPLAYED,
                ),
            ),
            problems=(problems.JOB_ENDED,),
        ),
    )
