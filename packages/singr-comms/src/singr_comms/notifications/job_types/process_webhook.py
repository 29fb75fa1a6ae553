"""The job type that applies callbacks of providers."""

from typing import Final

from singr_comms.notifications.callbacks._job import ProcessWebhook
from singr_comms.notifications.callbacks._processing import Webhooks
from singr_jobs import Exponential, JobContext, Jobs, Queue

JOBS: Final = Jobs()


# Of no `needs`: a service that receives no callbacks starts its workers without `Webhooks`.
@JOBS.handler(ProcessWebhook, queue=Queue.WEBHOOK, attempts=6, backoff=Exponential(2.0), timeout=60)
async def process_webhook(job: ProcessWebhook, ctx: JobContext) -> dict[str, int]:
    """Apply it; again, where what it is about may only be on its way to be committed."""
    return await ctx.resource(Webhooks).process(job.webhook_id, is_last_attempt=ctx.is_last_attempt)
