"""The job type that decides who gets a notification."""

from typing import Final

from singr_comms.notifying._fan_out import FanOut
from singr_comms.notifying._job import FanOutNotification
from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs, Queue
from singr_observability import Metrics

JOBS: Final = Jobs()


@JOBS.handler(
    FanOutNotification, queue=Queue.DEFAULT, attempts=10, backoff=Exponential(2.0), timeout=60, needs=(Database,)
)
async def fan_out(job: FanOutNotification, ctx: JobContext) -> dict[str, int]:
    """Decide until all are, or others shall have their turn."""
    metrics = ctx.resources.get(Metrics)  # a worker of others may count nothing
    decided = await FanOut(ctx.resource(Database), metrics=metrics).run(
        job.notification_id, organization_id=ctx.organization_id, turn=job.turn
    )
    return {"decided": decided}
