"""`singr flows`."""

from collections.abc import Mapping
from typing import Any, Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import Run, follow

_STATES: Final = ("open", "running", "completed", "failed", "cancelled")
_ENDED: Final = {"completed": Code.DONE, "failed": Code.FAILED, "cancelled": Code.FAILED}


def _wait(run: Run) -> int:
    return follow(
        run,
        run.ids,
        ended=lambda flow: _ENDED.get(str(flow["state"])),
        stands=_stands,
        seconds=run.patience,
    )


def _stands(flow: Mapping[str, Any]) -> Standing:
    ended = int(flow["completed"]) + int(flow["failed"]) + int(flow["cancelled"])
    return Standing(str(flow["state"]), ended, int(flow["total"]))


COMMANDS: Final = Group(
    "Flows: jobs after jobs.",
    (
        Command(
            "list",
            "GET /v1/flows",
            "List flows, the newest first.",
            fields=(Field("state", "Those that stand there.", choices=_STATES),),
            columns=("id", "name", "state", "total", "completed", "failed", "cancelled", "created_at", "finished_at"),
        ),
        Command("show", "GET /v1/flows/{flow_id}", "Show how far flows are."),
        Command(
            "graph",
            "GET /v1/flows/{flow_id}/graph",
            "List a flow's jobs, and which each of them waits for.",
            columns=("id", "type", "status", "after", "is_completion", "reference", "error.code"),
        ),
        Command(
            "create",
            "POST /v1/flows",
            "Create a flow of jobs, which --file or --jobs names.",
            fields=(
                Field("name", "What it is called.", argument=True, required=True),
                Field("jobs", "Its jobs: JSON, @FILE or -.", kind="json"),
                Field("on_failure", "What becomes of the others.", choices=("stop", "continue")),
                Field("then", "The job at the end of all: JSON, @FILE or -.", kind="json"),
                Field("close", "false: more jobs are to come.", kind="value"),
            ),
            from_file=True,
            parts=(("jobs", ("ref", "id")),),
        ),
        Command(
            "add",
            "POST /v1/flows/{flow_id}/jobs",
            "Add jobs to an open flow, which --file or --jobs names.",
            fields=(
                Field("jobs", "The jobs: JSON, @FILE or -.", kind="json", required=True),
                Field("close", "These are the last.", kind="flag"),
            ),
            from_file=True,
            parts=(("jobs", ("ref", "id")),),
        ),
        Command("close", "POST /v1/flows/{flow_id}/close", "Close flows: no more jobs are added."),
        Command(
            "cancel",
            "POST /v1/flows/{flow_id}/cancel",
            "Cancel all of flows that has not ended.",
            asks="Cancel {count} flow{s}?",
        ),
        Command(
            "wait",
            "GET /v1/flows/{flow_id}",
            "Wait until flows have ended, and show how far they are: 0 if all completed, 1 if none did, 6 if some did.",
            fields=(Field("within", "Seconds to wait at most (or --timeout); then 5.", kind="number", sent=False),),
            carry=_wait,
        ),
    ),
)
