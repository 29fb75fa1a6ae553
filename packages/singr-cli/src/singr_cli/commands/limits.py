"""`singr limits`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

COMMANDS: Final = Group(
    "Limits by key: how many jobs of one key run at once, and how fast they start. For operators of the platform.",
    (
        Command(
            "list",
            "GET /v1/limits",
            "List the job types whose keys have limits: what is declared, and what is set in its place.",
            columns=("type", "declared_concurrency", "declared_rate", "concurrency", "rate"),
            paged=False,
            organization="none",
        ),
        Command(
            "set",
            "PATCH /v1/limits/{type}",
            "Limit the keys of job types while they run; null is what the type declares.",
            fields=(
                Field("concurrency", "Jobs of a key at once; 0 lets nothing start; or null.", kind="value"),
                Field("rate", '{"count": 10, "seconds": 60}; or null.', kind="value"),
                Field("reason", "Why, for the operation log."),
            ),
            organization="none",
        ),
    ),
)
