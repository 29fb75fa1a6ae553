"""The job types that write what is kept about somebody into the object store, and take it away again."""

from typing import Final

from singr_comms.people.exporting._exports import Exports
from singr_comms.people.exporting._job import RemoveExport, RemoveLeftovers, WriteExport
from singr_jobs import Exponential, JobContext, Jobs, Queue

JOBS: Final = Jobs()


@JOBS.handler(WriteExport, queue=Queue.DEFAULT, attempts=8, backoff=Exponential(30.0), timeout=1800, needs=(Exports,))
async def write_export(job: WriteExport, ctx: JobContext) -> dict[str, str]:
    """Write all of it, and mail the link."""
    return {"outcome": await ctx.resource(Exports).write(job.export_id, ctx.organization_id)}


@JOBS.handler(
    RemoveExport, queue=Queue.DEFAULT, attempts=20, backoff=Exponential(30.0), timeout=60, tidies=True, needs=(Exports,)
)
async def remove_export(job: RemoveExport, ctx: JobContext) -> dict[str, bool]:
    """Remove it, where its time is over."""
    return {"removed": await ctx.resource(Exports).remove(job.export_id, ctx.organization_id)}


@JOBS.handler(
    RemoveLeftovers, queue=Queue.DEFAULT, attempts=5, backoff=Exponential(30.0), timeout=120, needs=(Exports,)
)
async def remove_leftovers(job: RemoveLeftovers, ctx: JobContext) -> dict[str, int]:  # noqa: ARG001 - it says all by its type
    """Remove them; what this leaves is found within the hour."""
    return {"removed": await ctx.resource(Exports).remove_leftovers()}
