"""`singr workers`."""

from typing import Final

from singr_cli._declared import Command

COMMANDS: Final = Command(
    "workers",
    "GET /v1/workers",
    "List worker processes: what they serve, and what they are running. For platform operators.",
    columns=("name", "host", "version", "started_at", "queues", "in_hand", "seen_at", "silent"),
    paged=False,
    organization="none",
)
