"""`singr limits`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

COMMANDS: Final = Group(
    "Limits by key: how many jobs of a key run at once, and how fast they start. For platform operators.",
    (
        Command(
            "list",
            "GET /v1/limits",
            "List job types with limits by key: what is declared, and what is set instead.",
            columns=("type", "declared_concurrency", "declared_rate", "concurrency", "rate"),
            paged=False,
            organization="none",
        ),
        Command(
            "set",
            "PATCH /v1/limits/{type}",
            "Set limits by key of job types at run time; null resets one to what the type declares.",
            fields=(
                Field("concurrency", "Jobs of a key that may run at once; with 0, none start; or null.", kind="value"),
                Field("rate", '{"count": 10, "seconds": 60}; or null.', kind="value"),
                Field("reason", "The reason, for the operation log."),
            ),
            organization="none",
        ),
    ),
)
