"""A caller in Python, by the client that openapi-python-client made of the document; run beside it."""

import json
import sys
import uuid

from singr_client import AuthenticatedClient
from singr_client.api.jobs import create_job, read_job
from singr_client.models import (
    CreateSmsSendJob,
    CreateSmsSendJobType,
    JobDetail,
    JobView,
    PlainSms,
    PlainSmsKind,
    ProblemDocument,
    SmsRequest,
)

address, api_key, organization = sys.argv[1:]
client = AuthenticatedClient(base_url=address, token=api_key, prefix="", auth_header_name="x-api-key")


def send(text: str) -> JobView | ProblemDocument | None:
    """Ask for one SMS."""
    message = PlainSms(kind=PlainSmsKind.PLAIN, text=text)
    job = CreateSmsSendJob(
        type_=CreateSmsSendJobType.SMS_SEND,
        organization_id=uuid.UUID(organization),
        payload=SmsRequest(to="+15555550100", message=message),
    )
    return create_job.sync(client=client, body=job, idempotency_key=str(uuid.uuid4()))


created = send("Your song is next.")
assert isinstance(created, JobView), created
read = read_job.sync(created.id, client=client)
assert isinstance(read, JobDetail), read
assert read.id == created.id, read
wrong = send("")
assert isinstance(wrong, ProblemDocument), wrong
print(json.dumps({"status": read.status.value, "codes": [one.code for one in wrong.errors or []]}))
