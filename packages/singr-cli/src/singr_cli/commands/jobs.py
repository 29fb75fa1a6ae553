"""`singr jobs`."""

from typing import Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import Run, follow

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


_SHOW: Final = Command(
    "show", "GET /v1/jobs/{job_id}", "Show jobs, with every attempt that did not succeed.", parts=_ATTEMPTS
)

COMMANDS: Final = Group(
    "Jobs: create them, look at them, cancel them, wait for them.",
    (
        Command(
            "list",
            "GET /v1/jobs",
            "List jobs, the newest first.",
            fields=(
                Field("status", "Those that stand there.", choices=_STATUSES),
                Field("type", "Those that do this, such as sms.send."),
                Field("queue", "Those of this queue."),
                Field("reference", "Those about what their callers call so."),
                Field("label", "Those with this label; told again, with all of them.", kind="texts"),
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
                Field("type", "What it does, such as sms.send.", argument=True, required=True),
                Field("payload", "What its type needs: JSON, @FILE or -.", kind="json"),
                Field("priority", "Which due job of a queue goes first.", choices=PRIORITIES),
                Field("run_at", "Not before this time (RFC 3339)."),
                Field("delay", "Seconds from now.", kind="number"),
                Field("attempts", "How often it is tried in all.", kind="integer"),
                Field("attempt_timeout", "Seconds that one attempt may take.", kind="number", at="timeout"),
                Field("unique_key", "An unfinished job of this type with this key is answered in its place."),
                Field("unique_for", "Seconds for which the key is held even once the job has ended.", kind="number"),
                Field("replace", "Take the place of the job that holds the key.", kind="flag"),
                Field(
                    "debounce",
                    "Likewise, due once no other of the key came for so many seconds.",
                    kind="number",
                    at="debounce.seconds",
                ),
                Field(
                    "debounce_longest",
                    "And no later than so many seconds after the first.",
                    kind="number",
                    at="debounce.longest",
                ),
                Field("concurrency_key", "Of a type with limits by key, the key, in place of the job's own."),
                Field("reference", "What you call the matter that it is about."),
                Field("label", "What you sort it by; again for each, up to ten.", kind="texts", at="labels"),
                Field("id", "Your own id: a new UUID of version 7."),
            ),
            organization="body",
            from_file=True,
        ),
        Command(
            "cancel",
            "POST /v1/jobs/{job_id}/cancel",
            "Cancel jobs: what waits at once, what runs is asked to stop.",
        ),
        Command(
            "retry",
            "POST /v1/jobs/{job_id}/retry",
            "Let jobs that failed for good, or were cancelled, be tried anew.",
            fields=(Field("reason", "Why, for the operation log."),),
        ),
        Command("run-now", "POST /v1/jobs/{job_id}/run-now", "Let jobs begin that wait for their time."),
        Command(
            "move",
            "PATCH /v1/jobs/{job_id}",
            "Let jobs that wait begin at another time, or before or after others.",
            fields=(
                Field("run_at", "Not before this time (RFC 3339); one that is past makes them due now."),
                Field("priority", "Which due job of a queue goes first.", choices=PRIORITIES),
            ),
        ),
        Command("explain", "GET /v1/jobs/{job_id}/explain", "Say in words why jobs are where they are."),
        Command(
            "logs",
            "GET /v1/jobs/{job_id}/logs",
            "List a job's log lines, the oldest line first.",
            fields=(Field("attempt", "Of this attempt alone.", kind="integer"),),
            columns=("at", "attempt", "message", "fields"),
        ),
        Command(
            "wait",
            "GET /v1/jobs/{job_id}",
            "Wait until jobs have ended: 0 if all completed, 1 if none did, 6 if some did.",
            fields=(Field("within", "Seconds to wait at most (or --timeout); then 5.", kind="number", sent=False),),
            parts=_ATTEMPTS,
            carry=_wait,
        ),
    ),
)
