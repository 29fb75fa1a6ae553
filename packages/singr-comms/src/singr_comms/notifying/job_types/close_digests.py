"""The job type that closes the digests of an organization that are due."""

from typing import Final

import msgspec

from singr_comms.notifying.digests import Digests
from singr_jobs import Exponential, JobContext, Jobs, Queue

JOBS: Final = Jobs()


class CloseDigests(msgspec.Struct, frozen=True, tag="digest.close"):
    """Close what is due; a chore asks for it, once at a time for each organization."""


@JOBS.handler(CloseDigests, queue=Queue.DIGEST, attempts=10, backoff=Exponential(2.0), timeout=120, needs=(Digests,))
async def close_digests(_job: CloseDigests, ctx: JobContext) -> dict[str, int]:
    """Close until none is due, or others shall have their turn: the chore asks again."""
    done = await ctx.resource(Digests).close_due(ctx.organization_id)
    return {"closed": done.closed, "mails": done.mails, "held": done.held}
