"""`singr bulk`."""

from collections.abc import Mapping
from typing import Any, Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import WITHIN, Run, follow
from singr_cli.commands.jobs import PRIORITIES

_PROBLEMS: Final = (("problems", ("id", "job_id", "code", "message")),)
_WHICH: Final = (
    Field("type", "Only of jobs of this type, such as sms.send.", at="filter.type"),
    Field("queue", "Only of jobs in this queue.", at="filter.queue"),
)
_LETTERS: Final = (
    *_WHICH,
    Field("error_code", "Only those that failed with this code.", at="filter.error_code"),
    Field("fingerprint", "Only of this group (see singr dead groups).", at="filter.fingerprint"),
    Field("failed_after", "Not before this time (RFC 3339).", at="filter.failed_after"),
    Field("failed_before", "Before this time.", at="filter.failed_before"),
)
_JOBS: Final = (
    *_WHICH,
    Field("created_after", "Not before this time (RFC 3339).", at="filter.created_after"),
    Field("created_before", "Before this time.", at="filter.created_before"),
)
_HOW: Final = (
    Field("rate_per_minute", "The maximum number processed per minute.", kind="integer"),
    Field("reason", "The reason, for the operation log; required to discard more than 100."),
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
    "Bulk actions: change many jobs or dead letters, at a set rate; they can be followed and stopped.",
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
        Command("show", "GET /v1/bulk-actions/{action_id}", "Show the progress of bulk actions.", parts=_PROBLEMS),
        Command("stop", "POST /v1/bulk-actions/{action_id}/stop", "Stop bulk actions; what was done stays done."),
        Command(
            "wait",
            "GET /v1/bulk-actions/{action_id}",
            "Wait until bulk actions have ended, and show the result: 0 if all was done, 1 if stopped, 6 if in part.",
            fields=(WITHIN,),
            parts=_PROBLEMS,
            carry=_wait,
        ),
    ),
)
