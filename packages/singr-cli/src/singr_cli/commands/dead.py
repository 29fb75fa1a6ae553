"""`singr dead`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

_REASON: Final = (Field("reason", "The reason, for the operation log."),)
_GROUP: Final = ("fingerprint", "type", "error_code", "count", "counted", "first_at", "last_at")
_TYPE: Final = Field("type", "Only of jobs of this type, such as sms.send.")

COMMANDS: Final = Group(
    "Dead letters: jobs that failed for good.",
    (
        Command(
            "list",
            "GET /v1/dead-letters",
            "List dead letters, the latest first.",
            fields=(
                Field("state", "Only those in this state.", choices=("open", "requeued", "discarded", "expired")),
                _TYPE,
                Field("queue", "Only of jobs in this queue."),
                Field("error_code", "Only of jobs that failed with this code."),
                Field("fingerprint", "Only of this group."),
                Field("job_id", "Only of this job."),
                Field("failed_after", "Not before this time (RFC 3339)."),
                Field("failed_before", "Before this time."),
            ),
            columns=("id", "type", "queue", "state", "error.code", "error.message", "attempts", "failed_at", "job_id"),
        ),
        Command(
            "groups",
            "GET /v1/dead-letters/groups",
            "Group open dead letters by kind of failure, the largest first.",
            fields=(_TYPE,),
            parts=(("groups", _GROUP),),
            rows=("groups", _GROUP),
        ),
        Command(
            "show",
            "GET /v1/dead-letters/{letter_id}",
            "Show dead letters, with payload, every attempt and its log.",
            parts=(
                ("history", ("attempt", "outcome", "error.code", "error.message", "worker", "finished_at")),
                ("logs", ("attempt", "at", "message", "fields")),
            ),
        ),
        Command(
            "requeue",
            "POST /v1/dead-letters/{letter_id}/requeue",
            "Requeue the jobs of dead letters.",
            fields=_REASON,
        ),
        Command(
            "discard",
            "POST /v1/dead-letters/{letter_id}/discard",
            "Discard dead letters: their jobs stay failed, and cannot be retried.",
            fields=_REASON,
            asks="Discard {count} dead letter{s}?",
        ),
    ),
)
