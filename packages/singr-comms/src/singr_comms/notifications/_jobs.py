"""The job types of this package; a worker includes :data:`jobs` and passes a :class:`MessageSender` as resource."""

from singr_comms.notifications._requests import EmailRequest, SendEmail, SendSms, SmsRequest
from singr_comms.notifications.sending._sender import Delivered, MessageSender
from singr_jobs import Exponential, JobContext, Jobs, Queue

jobs = Jobs()


@jobs.handler(
    SendEmail,
    queue=Queue.EMAIL,
    attempts=3,
    backoff=Exponential(1.0),
    timeout=120,
    request=EmailRequest,
    scope="notifications:write",
    needs=(MessageSender,),
)
async def send_email(job: SendEmail, ctx: JobContext) -> Delivered:
    """Send one stored e-mail."""
    return await ctx.resource(MessageSender).send_email(
        job.message_id, organization_id=ctx.organization_id, is_last_attempt=ctx.is_last_attempt
    )


@jobs.handler(
    SendSms,
    queue=Queue.SMS,
    attempts=3,
    backoff=Exponential(1.0),
    timeout=30,
    request=SmsRequest,
    scope="notifications:write",
    needs=(MessageSender,),
)
async def send_sms(job: SendSms, ctx: JobContext) -> Delivered:
    """Send one stored SMS."""
    return await ctx.resource(MessageSender).send_sms(
        job.message_id, organization_id=ctx.organization_id, is_last_attempt=ctx.is_last_attempt
    )
