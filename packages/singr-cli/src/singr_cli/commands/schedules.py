"""`singr schedules`."""

from typing import Final

from singr_cli._declared import Command, Field, Group
from singr_cli.commands.jobs import PRIORITIES

_TIMES: Final = (
    Field("cron", "Five fields, or six with seconds first: '30 2 * * 1-5'."),
    Field("time_zone", "The zone whose clocks cron goes by, such as Europe/Berlin; UTC unless told."),
    Field("every", "Seconds from one time to the next.", kind="number"),
    Field("at", "Once, at this time (RFC 3339).", at="at"),
    Field("starts", "No time before this one."),
    Field("ends", "No time after this one."),
)

COMMANDS: Final = Group(
    "Schedules: jobs made at their times.",
    (
        Command(
            "list",
            "GET /v1/schedules",
            "List schedules, the newest first.",
            fields=(Field("state", "Those that stand there.", choices=("active", "paused", "ended")),),
            columns=("id", "name", "state", "type", "in_words", "next_fire_at", "last_fire_at", "problem"),
        ),
        Command("show", "GET /v1/schedules/{schedule_id}", "Show schedules."),
        Command(
            "create",
            "POST /v1/schedules",
            "Schedule a job; a schedule of the same name is replaced.",
            fields=(
                Field("name", "Unlike those of your other schedules.", argument=True, required=True),
                Field("type", "What its jobs do, such as sms.send.", at="job.type", required=True),
                Field("payload", "What the type needs: JSON, @FILE or -.", kind="json", at="job.payload"),
                *_TIMES,
                Field("jitter", "Each time comes so many seconds later at most, by chance.", kind="number"),
                Field("missed", "Of missed times, which are made up for.", choices=("latest", "skip", "all")),
                Field("missed_within", "Seconds for which they are.", kind="number"),
                Field(
                    "overlap",
                    "What becomes of a time while an earlier job is unfinished.",
                    choices=("skip", "queue", "cancel_running"),
                ),
                Field("pause_after", "Paused once so many of its jobs in a row have failed.", kind="integer"),
                Field("priority", "Which due job of a queue goes first.", choices=PRIORITIES, at="job.priority"),
                Field("attempts", "How often each job is tried in all.", kind="integer", at="job.attempts"),
                Field("attempt_timeout", "Seconds that one attempt may take.", kind="number", at="job.timeout"),
                Field("reference", "What you call the matter that its jobs are about.", at="job.reference"),
                Field("label", "What you sort its jobs by; again for each, up to ten.", kind="texts", at="job.labels"),
            ),
            from_file=True,
        ),
        Command(
            "preview",
            "POST /v1/schedules/preview",
            "Say in words when a schedule would fire, and its next times.",
            fields=(
                *_TIMES,
                Field("after", "Times after this one; now, unless told."),
                Field("count", "How many.", kind="integer"),
            ),
            organization="none",
            only_asks=True,
            parts=(("next_fires", ("local", "utc")),),
        ),
        Command("pause", "POST /v1/schedules/{schedule_id}/pause", "Pause schedules."),
        Command("resume", "POST /v1/schedules/{schedule_id}/resume", "Let schedules fire again."),
        Command("run", "POST /v1/schedules/{schedule_id}/run", "Make the jobs of schedules now."),
        Command(
            "delete",
            "DELETE /v1/schedules/{schedule_id}",
            "Delete schedules with their history; jobs that they made go on.",
            asks="Delete {count} schedule{s} for good?",
        ),
        Command(
            "fires",
            "GET /v1/schedules/{schedule_id}/fires",
            "List a schedule's run history, the latest first.",
            columns=("fire_at", "outcome", "job_id", "until", "id"),
        ),
    ),
)
