"""A FastAPI service that tells people of their parcels by e-mail, with nothing of Singr's but singr-comms.

pip install singr-comms fastapi uvicorn; then: SMTP_HOST=… uvicorn --factory parcel_service:from_environment
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Response
from parcel_messages.parcel_ready import ParcelReady
from pydantic import BaseModel

from singr_comms import (
    Closes,
    EmailAddress,
    EmailEnvelope,
    EmailProvider,
    InvalidMessageError,
    PermanentSendError,
    SmtpProvider,
    TransientError,
    UnknownOutcomeError,
    message_types,
)

message_types.add_package("parcel_messages")
NOT_NOW = 30


class Parcel(BaseModel):
    """A parcel that has come."""

    reader: str
    email: str


async def tell(provider: EmailProvider, number: str, parcel: Parcel) -> str:
    """Tell its reader once; return what became of that. Whoever tries again sends the same token."""
    link = f"https://parcels.example/{number}"
    message = ParcelReady(user_name=parcel.reader, shop="Corner", link=link)
    envelope = EmailEnvelope(to=EmailAddress(parcel.email), message=message, idempotency_token=f"parcel-{number}")
    try:
        await provider.send(envelope)
    except InvalidMessageError as error:  # nothing left: the caller mends it
        raise HTTPException(422, {"field": error.field, "detail": error.message}) from error
    except PermanentSendError as error:  # not sent, and never will be, such as a mailbox that is not there
        raise HTTPException(422, {"code": error.code, "detail": error.message}) from error
    except TransientError as error:  # certainly not sent: whoever asks again does no harm
        wait = str(round(error.retry_after or NOT_NOW))
        raise HTTPException(503, {"code": error.code}, {"retry-after": wait}) from error
    except UnknownOutcomeError:  # it may be on its way: sent again, it may come twice
        return "unknown"
    return "sent"


def build(provider: EmailProvider) -> FastAPI:
    """Build the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if isinstance(provider, Closes):
            await provider.close()  # SMTP keeps connections for the next mail

    app = FastAPI(lifespan=lifespan)

    @app.post("/parcels/{number}/ready")
    async def ready(number: str, parcel: Parcel, response: Response) -> dict[str, str]:
        """Tell the reader of a parcel that it waits."""
        state = await tell(provider, number, parcel)
        response.status_code = 200 if state == "sent" else 202
        return {"state": state}

    return app


def from_environment() -> FastAPI:
    """Build the service for the mail server at SMTP_HOST."""
    sender = EmailAddress(os.environ["SMTP_FROM"], "Parcels")
    return build(
        SmtpProvider(host=os.environ["SMTP_HOST"], port=int(os.environ.get("SMTP_PORT", "587")), sender=sender)
    )
