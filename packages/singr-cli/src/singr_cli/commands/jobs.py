"""`singr jobs`."""

from typing import Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import WITHIN, Run, follow

_STATUSES: Final = ("pending", "processing", "completed", "failed", "cancelled")
_ENDED: Final = {"completed": Code.DONE, "failed": Code.FAILED, "cancelled": Code.FAILED}
_ATTEMPTS: Final = (("attempts", ("attempt", "outcome", "error.code", "error.message", "worker", "finished_at")),)
PRIORITIES: Final = ("high", "normal", "low")


def _wait(run: Run) -> int:
    return follow(
        run,
        run.ids,
        ended=lambda job: _ENDED.get(str(job["status"])),
        stands=lambda job: Standing(str(job["status"]), int(job["progress"]), 100),
        seconds=run.patience,
    )


_SHOW: Final = Command("show", "GET /v1/jobs/{job_id}", "Show jobs, with their failed attempts.", parts=_ATTEMPTS)

COMMANDS: Final = Group(
    "Jobs: create, list, inspect and cancel them, or wait for them.",
    (
        Command(
            "list",
            "GET /v1/jobs",
            "List jobs, the newest first.",
            fields=(
                Field("status", "Only those in this state.", choices=_STATUSES),
                Field("type", "Only those of this type, such as sms.send."),
                Field("queue", "Only those in this queue."),
                Field("reference", "Only those with this reference."),
                Field("label", "Only those with this label; may be repeated: those with all of them.", kind="texts"),
                Field("created_after", "Not before this time (RFC 3339)."),
                Field("created_before", "Before this time."),
                Field("order", "Sort order.", choices=("newest", "oldest")),
            ),
            columns=("id", "type", "queue", "status", "attempt", "run_at", "reference", "labels", "error.code"),
        ),
        _SHOW,
        Command(
            "create",
            "POST /v1/jobs",
            "Create a job.",
            fields=(
                Field("type", "The job type, such as sms.send.", argument=True, required=True),
                Field("payload", "The payload: JSON, @FILE or -.", kind="json"),
                Field("priority", "The order among due jobs of a queue.", choices=PRIORITIES),
                Field("run_at", "Not before this time (RFC 3339)."),
                Field("delay", "Seconds from now.", kind="number"),
                Field("attempts", "The maximum number of attempts.", kind="integer"),
                Field("attempt_timeout", "Seconds that one attempt may take.", kind="number", at="timeout"),
                Field("unique_key", "If an unfinished job of this type has this key, that job is returned instead."),
                Field(
                    "unique_for", "Seconds for which the key stays taken, even after the job has ended.", kind="number"
                ),
                Field("replace", "Replace the waiting job that has the key.", kind="flag"),
                Field(
                    "debounce",
                    "Likewise, but due once no other job with the key has come for this many seconds.",
                    kind="number",
                    at="debounce.seconds",
                ),
                Field(
                    "debounce_longest",
                    "With debounce: at the latest this many seconds after the first.",
                    kind="number",
                    at="debounce.longest",
                ),
                Field("concurrency_key", "For a type with limits by key: the key, instead of the job's own."),
                Field("reference", "Your reference for its subject."),
                Field("label", "A label of yours; may be repeated, up to ten times.", kind="texts", at="labels"),
                Field("id", "Your own id: a new version 7 UUID."),
            ),
            organization="body",
            from_file=True,
        ),
        Command(
            "cancel",
            "POST /v1/jobs/{job_id}/cancel",
            "Cancel jobs: waiting ones at once; running ones are asked to stop.",
        ),
        Command(
            "retry",
            "POST /v1/jobs/{job_id}/retry",
            "Retry jobs that failed for good, or were cancelled.",
            fields=(Field("reason", "The reason, for the operation log."),),
        ),
        Command("run-now", "POST /v1/jobs/{job_id}/run-now", "Run waiting jobs now."),
        Command(
            "move",
            "PATCH /v1/jobs/{job_id}",
            "Change the start time or priority of waiting jobs.",
            fields=(
                Field("run_at", "Not before this time (RFC 3339); a time in the past makes them due now."),
                Field("priority", "The order among due jobs of a queue.", choices=PRIORITIES),
            ),
        ),
        Command("explain", "GET /v1/jobs/{job_id}/explain", "Explain in words why jobs are in their current state."),
        Command(
            "logs",
            "GET /v1/jobs/{job_id}/logs",
            "List a job's log lines, the oldest line first.",
            fields=(Field("attempt", "Only of this attempt.", kind="integer"),),
            columns=("at", "attempt", "message", "fields"),
        ),
        Command(
            "wait",
            "GET /v1/jobs/{job_id}",
            "Wait until jobs have ended: 0 if all completed, 1 if none did, 6 if some did.",
            fields=(WITHIN,),
            parts=_ATTEMPTS,
            carry=_wait,
        ),
    ),
)
