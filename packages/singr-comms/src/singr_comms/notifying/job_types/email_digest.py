"""The job type that makes one mail now of what is kept for somebody."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from singr_comms.notifying.digests import Digests, Period
from singr_comms.people import ExternalId
from singr_jobs import Exponential, JobContext, Jobs, Queue

JOBS: Final = Jobs()
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class EmailDigest(msgspec.Struct, frozen=True, kw_only=True, tag="email.digest", forbid_unknown_fields=True):
    """Send a person one mail now with what was collected for their digests between two moments.

    No mail is sent if there is nothing, or everything was read. Each item is included once, in this digest or the
    regular one. Nobody gets more of them than they want: after a digest of a period, regular or by such a job, none is
    sent before the person's next digest time; what was collected waits for that (`waits_until` in the result). In their
    quiet hours the job waits until they end.

    Args:
        user: the recipient, by the organization's own id of them, or the id of the account that they are.
        period: the period of the digests.
        start: items from this time on,
        end: and before this time.
    """

    user: ExternalId
    period: Period
    start: _Moment
    end: _Moment

    def __post_init__(self) -> None:
        """Refuse a span that nothing can lie in."""
        if self.end <= self.start:
            raise ValueError("end must come after start")


@JOBS.handler(
    EmailDigest,
    queue=Queue.DIGEST,
    attempts=3,
    backoff=Exponential(2.0),
    timeout=60,
    needs=(Digests,),
    public=True,
    scope="notifications:write",
)
async def email_digest(job: EmailDigest, ctx: JobContext) -> dict[str, int | str]:
    """Make the mail, once; the result says how many that were, and where one came already, when the next may come."""
    done = await ctx.resource(Digests).send(
        job.user,
        job.period,
        start=job.start,
        end=job.end,
        organization_id=ctx.organization_id,
        asked_by=ctx.job_id,
    )
    return {"mails": done.mails} | ({} if done.until is None else {"waits_until": f"{done.until:%Y-%m-%dT%H:%M:%SZ}"})
