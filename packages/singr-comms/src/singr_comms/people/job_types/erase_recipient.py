"""The job type that blanks what is left of somebody who was erased, as former releases queue it."""

from typing import Final

from singr_comms.people.privacy._blanking import Blanking
from singr_comms.people.privacy._job import EraseRecipient
from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs, Queue

JOBS: Final = Jobs()


@JOBS.handler(
    EraseRecipient, queue=Queue.DEFAULT, attempts=20, backoff=Exponential(5.0), timeout=300, needs=(Database,)
)
async def erase_recipient(job: EraseRecipient, ctx: JobContext) -> dict[str, int]:
    """Blank all that there is; a second time once whatever was being decided meanwhile has been."""
    return {"blanked": await Blanking(ctx.resource(Database)).run(job, organization_id=ctx.organization_id)}
