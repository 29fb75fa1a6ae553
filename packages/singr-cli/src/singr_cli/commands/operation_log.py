"""`singr operation-log`."""

from typing import Final

from singr_cli._declared import Command, Field

COMMANDS: Final = Command(
    "operation-log",
    "GET /v1/operation-log",
    "List operations on jobs, schedules and queues, the latest first. For platform operators.",
    fields=(
        Field("actor", "Who did it: `user:` and an id, a key id, or the name of a process."),
        Field("kind", "What was done, such as job.cancel."),
        Field("target", "The object: an id or a name."),
    ),
    columns=("created_at", "actor", "kind", "target", "before", "after", "reason"),
)
