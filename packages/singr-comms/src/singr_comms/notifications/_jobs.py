"""The job types of this package; a worker includes `jobs` and passes a `MessageSender` as resource."""

from typing import Any

from singr_comms._collect import collected
from singr_comms.catalogue import message_types
from singr_comms.notifications.channels import WORK, request_type
from singr_comms.notifications.channels._work import ChannelWork
from singr_comms.notifications.sending._sender import MessageSender
from singr_comms.notifications.sending._try import Delivered
from singr_config.constants import COMMUNICATION_RETRY
from singr_jobs import Exponential, JobContext, Jobs


def message_jobs() -> Jobs:
    """The job types of this package, for an API and its workers: one for each channel, and those of `job_types`.

    Callers may send the message types that this process knows by now.

    Those of installed distributions are added first (`message_types.add_installed`).

    Raises:
        DeclarationError: an installed distribution declares a type wrong.
    """
    message_types.add_installed()
    return _declared()


def _declared() -> Jobs:
    made = Jobs()
    for work in WORK.values():
        made.handler(
            work.job,
            queue=work.queue,
            attempts=COMMUNICATION_RETRY.attempts,
            backoff=Exponential(COMMUNICATION_RETRY.first_delay),
            timeout=work.timeout,
            request=request_type(work),
            scope="notifications:write",
            needs=(MessageSender,),
        )(_handler(work))
    for more in collected("singr_comms.notifications.job_types", "JOBS", Jobs):
        made.include(more)
    return made


def _handler(work: ChannelWork) -> Any:
    async def send(job: Any, ctx: JobContext) -> Delivered:
        return await ctx.resource(MessageSender).send(
            work.channel.name,
            job.message_id,
            organization_id=ctx.organization_id,
            is_last_attempt=ctx.is_last_attempt,
            # Whoever asked for another number of attempts is told after these.
            may_wait=ctx.max_attempts == COMMUNICATION_RETRY.attempts,
        )

    return send


jobs = _declared()
