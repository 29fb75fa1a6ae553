"""`singr standing-work`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

COMMANDS: Final = Group(
    "Standing work: what worker processes do beside jobs. For operators of the platform.",
    (
        Command(
            "list",
            "GET /v1/standing-work",
            "List it: when each was done last, and comes next.",
            columns=("name", "every", "processes", "last_run_at", "seconds", "next_at", "error", "paused.reason"),
            paged=False,
            organization="none",
        ),
        Command(
            "pause",
            "POST /v1/standing-work/{name}/pause",
            "Pause some of it.",
            fields=(Field("reason", "Why, for whoever wonders."),),
            organization="none",
        ),
        Command("resume", "POST /v1/standing-work/{name}/resume", "Let it be done again.", organization="none"),
        Command(
            "run", "POST /v1/standing-work/{name}/run", "Have it done at once, if paused too.", organization="none"
        ),
    ),
)
