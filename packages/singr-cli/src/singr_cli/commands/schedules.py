"""`singr schedules`."""

from typing import Final

from singr_cli._declared import Command, Field, Group
from singr_cli.commands.jobs import PRIORITIES

_TIMES: Final = (
    Field("cron", "Five fields, or six with seconds first: '30 2 * * 1-5'."),
    Field("time_zone", "The time zone for cron, such as Europe/Berlin; UTC by default."),
    Field("every", "Seconds from one time to the next.", kind="number"),
    Field("at", "Once, at this time (RFC 3339).", at="at"),
    Field("starts", "No time before this one."),
    Field("ends", "No time after this one."),
)

COMMANDS: Final = Group(
    "Schedules: jobs created at set times.",
    (
        Command(
            "list",
            "GET /v1/schedules",
            "List schedules, the newest first.",
            fields=(Field("state", "Only those in this state.", choices=("active", "paused", "ended")),),
            columns=("id", "name", "state", "type", "in_words", "next_fire_at", "last_fire_at", "problem"),
        ),
        Command("show", "GET /v1/schedules/{schedule_id}", "Show schedules."),
        Command(
            "create",
            "POST /v1/schedules",
            "Schedule a job; a schedule with the same name is replaced.",
            fields=(
                Field("name", "A name that none of your other schedules has.", argument=True, required=True),
                Field("type", "The type of its jobs, such as sms.send.", at="job.type", required=True),
                Field("payload", "The payload: JSON, @FILE or -.", kind="json", at="job.payload"),
                *_TIMES,
                Field("jitter", "Delay each time randomly by up to this many seconds.", kind="number"),
                Field("missed", "Which missed times are made up for.", choices=("latest", "skip", "all")),
                Field("missed_within", "Seconds for which a missed time can be made up for.", kind="number"),
                Field(
                    "overlap",
                    "What happens at a time while an earlier job is unfinished.",
                    choices=("skip", "queue", "cancel_running"),
                ),
                Field("pause_after", "Pause the schedule after this many failed jobs in a row.", kind="integer"),
                Field("priority", "The order among due jobs of a queue.", choices=PRIORITIES, at="job.priority"),
                Field("attempts", "The maximum number of attempts for each job.", kind="integer", at="job.attempts"),
                Field("attempt_timeout", "Seconds that one attempt may take.", kind="number", at="job.timeout"),
                Field("reference", "Your reference for the subject of its jobs.", at="job.reference"),
                Field(
                    "label", "A label for its jobs; may be repeated, up to ten times.", kind="texts", at="job.labels"
                ),
            ),
            from_file=True,
        ),
        Command(
            "preview",
            "POST /v1/schedules/preview",
            "Describe a schedule in words, and show its next times.",
            fields=(
                *_TIMES,
                Field("after", "Times after this one; now by default."),
                Field("count", "How many.", kind="integer"),
            ),
            organization="none",
            only_asks=True,
            parts=(("next_fires", ("local", "utc")),),
        ),
        Command("pause", "POST /v1/schedules/{schedule_id}/pause", "Pause schedules."),
        Command("resume", "POST /v1/schedules/{schedule_id}/resume", "Resume schedules."),
        Command("run", "POST /v1/schedules/{schedule_id}/run", "Run schedules now."),
        Command(
            "delete",
            "DELETE /v1/schedules/{schedule_id}",
            "Delete schedules and their history; jobs that they created continue.",
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
