"""`singr standing-work`."""

from typing import Final

from singr_cli._declared import Command, Field, Group

COMMANDS: Final = Group(
    "Standing work: periodic tasks of the worker processes. For platform operators.",
    (
        Command(
            "list",
            "GET /v1/standing-work",
            "List standing tasks, with their last and next runs.",
            columns=("name", "every", "processes", "last_run_at", "seconds", "next_at", "error", "paused.reason"),
            paged=False,
            organization="none",
        ),
        Command(
            "pause",
            "POST /v1/standing-work/{name}/pause",
            "Pause standing tasks.",
            fields=(Field("reason", "The reason, for anybody who asks."),),
            organization="none",
        ),
        Command("resume", "POST /v1/standing-work/{name}/resume", "Resume it.", organization="none"),
        Command("run", "POST /v1/standing-work/{name}/run", "Run it now, even if it is paused.", organization="none"),
    ),
)
