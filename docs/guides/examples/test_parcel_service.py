"""How the parcel service is tested: no network, no server, and every answer of a provider at will."""

import asyncio

import httpx
from parcel_messages.parcel_ready import ParcelReady
from parcel_service import build

from singr_comms import MemoryEmailProvider, PermanentSendError, TransientError, UnknownOutcomeError

PARCEL = {"reader": "Jane", "email": "jane@example.org"}


def ask(provider: MemoryEmailProvider, *parcels: dict[str, str]) -> list[httpx.Response]:
    """Say of these parcels, one after the other, that they have come."""

    async def asking() -> list[httpx.Response]:
        transport = httpx.ASGITransport(build(provider))
        async with httpx.AsyncClient(transport=transport, base_url="http://parcels.example") as http:
            return [await http.post("/parcels/7/ready", json=parcel) for parcel in parcels]

    return asyncio.run(asking())


def test_reader_is_told_once_however_often_the_service_is_asked() -> None:
    provider = MemoryEmailProvider(takes_idempotency_key=True)
    assert [answer.json() for answer in ask(provider, PARCEL, PARCEL)] == [{"state": "sent"}] * 2
    [sent] = provider.sent
    assert sent.message == ParcelReady(user_name="Jane", shop="Corner", link="https://parcels.example/7")


def test_callers_learn_what_they_may_do_when_it_fails() -> None:
    provider = MemoryEmailProvider()
    provider.fail_next(
        PermanentSendError("smtp_550", "no such mailbox"),
        TransientError("connection", "nobody listens", retry_after=7),
        UnknownOutcomeError("timeout", "no answer came"),
    )
    gone, later, perhaps, wrong = ask(provider, PARCEL, PARCEL, PARCEL, PARCEL | {"reader": "J" * 500})
    assert (gone.status_code, gone.json()["detail"]["code"]) == (422, "smtp_550")
    assert (later.status_code, later.headers["retry-after"]) == (503, "7")
    assert (perhaps.status_code, perhaps.json()) == (202, {"state": "unknown"})
    assert (wrong.status_code, wrong.json()["detail"]["field"]) == (422, "message.user_name")
    assert provider.sent == []
