"""`singr bulk`."""

from collections.abc import Mapping
from typing import Any, Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import Run, follow
from singr_cli.commands.jobs import PRIORITIES

_PROBLEMS: Final = (("problems", ("id", "job_id", "code", "message")),)
_WHICH: Final = (
    Field("type", "Of jobs that do this, such as sms.send.", at="filter.type"),
    Field("queue", "Of jobs of this queue.", at="filter.queue"),
)
_LETTERS: Final = (
    *_WHICH,
    Field("error_code", "That failed with this code.", at="filter.error_code"),
    Field("fingerprint", "Of this group (singr dead groups).", at="filter.fingerprint"),
    Field("failed_after", "Not before this time (RFC 3339).", at="filter.failed_after"),
    Field("failed_before", "Before this time.", at="filter.failed_before"),
)
_JOBS: Final = (
    *_WHICH,
    Field("created_after", "Not before this time (RFC 3339).", at="filter.created_after"),
    Field("created_before", "Before this time.", at="filter.created_before"),
)
_HOW: Final = (
    Field("rate_per_minute", "How many have their turn in a minute, at most.", kind="integer"),
    Field("reason", "Why, for the operation log; needed where more than 100 are discarded."),
)


def _ask(action: str, help: str, fields: tuple[Field, ...], asks: str = "") -> Command:  # noqa: A002 — as in Command
    return Command(
        action,
        "POST /v1/bulk-actions",
        help,
        fields=(*fields, *_HOW),
        fixed=(("action", action),),
        asks=asks,
        dry_run="dry_run",
        parts=(("examples", ("id", "organization_id", "type", "queue", "error.code")), *_PROBLEMS),
    )


def _wait(run: Run) -> int:
    return follow(run, run.ids, ended=_ended, stands=_stands, seconds=run.patience)


def _ended(action: Mapping[str, Any]) -> Code | None:
    if action["state"] == "done":
        return Code.IN_PART if action["skipped"] else Code.DONE
    return Code.FAILED if action["state"] == "stopped" else None


def _stands(action: Mapping[str, Any]) -> Standing:
    skipped = f", {action['skipped']} skipped" if action["skipped"] else ""
    return Standing(
        f"{action['state']}{skipped}", int(action["done"]) + int(action["skipped"]), int(action["matching"])
    )


COMMANDS: Final = Group(
    "Bulk actions: something done to many jobs or dead letters, at a rate, with progress and a stop.",
    (
        _ask("requeue", "Requeue dead letters; begin with --dry-run.", _LETTERS),
        _ask("discard", "Discard dead letters; begin with --dry-run.", _LETTERS, "Discard all that fit?"),
        _ask("cancel", "Cancel jobs that have not ended; begin with --dry-run.", _JOBS, "Cancel all that fit?"),
        _ask(
            "reprioritize",
            "Give jobs another priority.",
            (*_JOBS, Field("priority", "Which.", choices=PRIORITIES, required=True)),
        ),
        Command(
            "list",
            "GET /v1/bulk-actions",
            "List bulk actions, the latest first.",
            columns=("id", "action", "state", "matching", "done", "skipped", "asked_by", "asked_at", "reason"),
        ),
        Command("show", "GET /v1/bulk-actions/{action_id}", "Show how far bulk actions are.", parts=_PROBLEMS),
        Command("stop", "POST /v1/bulk-actions/{action_id}/stop", "Stop bulk actions; what was done stays."),
        Command(
            "wait",
            "GET /v1/bulk-actions/{action_id}",
            "Wait until bulk actions have ended, and show how far they are: 0 if all was done, 1 stopped, 6 in part.",
            fields=(Field("within", "Seconds to wait at most (or --timeout); then 5.", kind="number", sent=False),),
            parts=_PROBLEMS,
            carry=_wait,
        ),
    ),
)
