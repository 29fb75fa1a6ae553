"""`singr flows`."""

from collections.abc import Mapping
from typing import Any, Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._progress import Standing
from singr_cli._running import WITHIN, Run, follow

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
    "Flows: jobs that depend on each other.",
    (
        Command(
            "list",
            "GET /v1/flows",
            "List flows, the newest first.",
            fields=(Field("state", "Only those in this state.", choices=_STATES),),
            columns=("id", "name", "state", "total", "completed", "failed", "cancelled", "created_at", "finished_at"),
        ),
        Command("show", "GET /v1/flows/{flow_id}", "Show the progress of flows."),
        Command(
            "graph",
            "GET /v1/flows/{flow_id}/graph",
            "List a flow's jobs and their dependencies.",
            columns=("id", "type", "status", "after", "is_completion", "reference", "error.code"),
        ),
        Command(
            "create",
            "POST /v1/flows",
            "Create a flow of jobs, which --file or --jobs names.",
            fields=(
                Field("name", "Its name.", argument=True, required=True),
                Field("jobs", "Its jobs: JSON, @FILE or -.", kind="json"),
                Field("on_failure", "What happens to the others when one fails.", choices=("stop", "continue")),
                Field("then", "The completion job: JSON, @FILE or -.", kind="json"),
                Field("close", "false: more jobs will be added.", kind="value"),
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
                Field("close", "Close the flow with these.", kind="flag"),
            ),
            from_file=True,
            parts=(("jobs", ("ref", "id")),),
        ),
        Command("close", "POST /v1/flows/{flow_id}/close", "Close flows, so that no more jobs can be added."),
        Command(
            "cancel",
            "POST /v1/flows/{flow_id}/cancel",
            "Cancel everything in flows that has not ended.",
            asks="Cancel {count} flow{s}?",
        ),
        Command(
            "wait",
            "GET /v1/flows/{flow_id}",
            "Wait until flows have ended, and show the result: 0 if all completed, 1 if none did, 6 if some did.",
            fields=(WITHIN,),
            carry=_wait,
        ),
    ),
)
