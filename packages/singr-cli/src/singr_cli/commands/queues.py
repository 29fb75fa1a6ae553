"""`singr queues`."""

from collections.abc import Iterator
from typing import Any, Final

from singr_cli._declared import Command, Field, Group
from singr_cli._errors import Code
from singr_cli._http import Api
from singr_cli._running import Run

# Told each time, and never a profile's: whose jobs rest is no habit.
_WHOSE: Final = Field("organization", "Only of this organization; of all by default.", at="organization_id")
_FIGURES: Final = (
    *("taken", "completed", "retried", "failed"),
    *("wait_p50", "wait_p95", "run_p50", "run_p95"),
)
_PARTS: Final = (("organizations", ("organization_id", "paused.reason", "concurrency", "rate.count", "weight")),)


def _told(run: Run, api: Api) -> Iterator[Any]:
    if not run.ids:
        yield from api.call("GET", run.command.every.partition(" ")[2], query=run.query())["queues"]
    for queue in run.ids:
        yield api.call("GET", run.path(queue), query=run.query())


def _health(run: Run) -> int:
    well = []
    with run.api() as api:
        for answer in _told(run, api):
            run.output.one(answer, run.command.parts)
            well.append(bool(answer["healthy"]))
    return Code.DONE if all(well) else Code.IN_PART if any(well) else Code.FAILED


COMMANDS: Final = Group(
    "Queues: their settings, state and health. For platform operators.",
    (
        Command(
            "list",
            "GET /v1/queues",
            "List queues: the built-in ones, and those that any worker has ever served.",
            columns=(
                "queue",
                "jobs",
                "oldest_due_at",
                "workers",
                "recent.per_minute",
                "recent.wait_p95",
                "paused.reason",
                "paused.since",
                "concurrency",
                "rate",
            ),
            paged=False,
            organization="none",
        ),
        Command("show", "GET /v1/queues/{queue}", "Show queues.", organization="none", parts=_PARTS),
        Command(
            "history",
            "GET /v1/queues/{queue}/history",
            "Show the activity of queues minute by minute, and how long jobs waited and ran (seconds).",
            fields=(
                Field("minutes", "How many minutes, including the current one.", kind="integer"),
                Field("type", "Only of this job type."),
            ),
            organization="none",
            parts=(("minutes", ("minute", *_FIGURES)), ("types", ("type", *_FIGURES))),
            rows=("minutes", ("queue", "minute", *_FIGURES)),
        ),
        Command(
            "health",
            "GET /v1/queues/{queue}/health",
            "Say in words whether queues are healthy: 0 if all are, 1 if none is, 6 if some are.",
            fields=(Field("oldest_within", "Seconds that a due job may have waited.", kind="integer"),),
            organization="none",
            parts=(("problems", ("code", "in_words")),),
            every="GET /v1/queue-health",
            carry=_health,
        ),
        Command(
            "pause",
            "POST /v1/queues/{queue}/pause",
            "Pause queues, so that no jobs are taken from them.",
            fields=(Field("reason", "The reason, for anybody who asks."), _WHOSE),
            organization="none",
            parts=_PARTS,
        ),
        Command(
            "resume",
            "POST /v1/queues/{queue}/resume",
            "Resume queues.",
            fields=(_WHOSE,),
            organization="none",
            parts=_PARTS,
        ),
        Command(
            "set",
            "PATCH /v1/queues/{queue}",
            "Set limits of queues at run time; null resets one to the workers' environment.",
            fields=(
                Field("concurrency", "Jobs that may run at once, across all processes; or null.", kind="value"),
                Field("concurrency_per_organization", "The same for one organization; or null.", kind="value"),
                Field("rate", 'sms, worker, {"count": 10, "seconds": 1}; or null.', kind="value"),
                Field("weight", "Turns of the organization for each turn of others; or null.", kind="value"),
                _WHOSE,
            ),
            organization="none",
            parts=_PARTS,
        ),
    ),
)
