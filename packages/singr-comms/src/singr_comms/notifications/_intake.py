"""Messages that come in over HTTP: prepared on the ingestion's hot path, written with their jobs."""

from typing import Final
from uuid import UUID

from singr_comms.notifications._requests import EmailRequest, SendEmail, SendSms, SmsRequest
from singr_comms.notifications._rows import INSERT_ROWS, MessageRow, row_for
from singr_db import Sealer


class MessageIntake:
    """Turns requests for e-mails and SMS into a job and a sealed message row; one object serves both channels.

    Requests are expected as a strict decoder gives them: every bound of the models holds.

    Args:
        sealer: Seals recipients and contents.
    """

    __slots__ = ("_sealer",)

    insert: Final = INSERT_ROWS

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def prepare(
        self, request: EmailRequest | SmsRequest, *, job_id: UUID, organization_id: UUID, correlation_id: str | None
    ) -> tuple[SendEmail | SendSms, MessageRow]:
        """Return the job to store, which names the message, and the message row itself."""
        row = row_for(
            request,
            sealer=self._sealer,
            job_id=job_id,
            organization_id=organization_id,
            correlation_id=correlation_id,
        )
        return (SendEmail(row.id) if type(request) is EmailRequest else SendSms(row.id)), row
