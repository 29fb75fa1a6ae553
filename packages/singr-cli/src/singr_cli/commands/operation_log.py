"""`singr operation-log`."""

from typing import Final

from singr_cli._declared import Command, Field

COMMANDS: Final = Command(
    "operation-log",
    "GET /v1/operation-log",
    "List who did what to jobs, schedules and queues, the latest first: for operators of the platform.",
    fields=(
        Field("actor", "By `user:` and an id, by a key id, or by the name of a process."),
        Field("kind", "What was done, such as job.cancel."),
        Field("target", "To which: an id or a name."),
    ),
    columns=("created_at", "actor", "kind", "target", "before", "after", "reason"),
)
