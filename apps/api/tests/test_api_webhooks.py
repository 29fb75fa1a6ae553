"""S24: callbacks come in over HTTP, each once, proved, and whole; what nothing proves leaves no row."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from api_serving import serving
from msgspec.structs import replace
from sqlalchemy import text

from singr_api.app import create_app
from singr_config import Secret, Settings, WebhookSettings
from singr_db import Database

SECRET = "a-secret-of-mailjet-0123456789"
TOKEN = "0123456789abcdef0123456789abcdef"
KEY = base64.b64encode(b"resend" * 4).decode()
ADDRESS = "https://api.singr.example:8443"
MOST = 1024 * 1024


@pytest.fixture
def configured(settings: Settings) -> Settings:
    """The settings of tests, with secrets of providers."""
    twilio = replace(settings.sms.twilio, auth_token=Secret(TOKEN))
    secrets = WebhookSettings(mailjet_secret=Secret(SECRET), resend_secret=Secret(f"whsec_{KEY}"))
    return replace(
        settings,
        app=replace(settings.app, url_api=ADDRESS),
        sms=replace(settings.sms, twilio=twilio),
        webhooks=secrets,
    )


@pytest.fixture
async def calls(configured: Settings, client: Callable[..., httpx.AsyncClient]) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever calls back."""
    async with serving(create_app(configured)) as url:
        yield client(url)


async def stored(db: Database) -> int:
    async with db.platform() as session:
        rows = await session.scalar(text("SELECT count(*) FROM webhooks_received"))
        jobs = await session.scalar(text("SELECT count(*) FROM jobs WHERE type = 'webhook.process'"))
    assert rows == jobs, "each has its job"
    return int(rows or 0)


def signed(body: bytes, *, event: str = "msg_1", at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    signature = hmac.digest(base64.b64decode(KEY), f"{event}.{stamp}.".encode() + body, "sha256")
    return {
        "svix-id": event,
        "svix-timestamp": stamp,
        "svix-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


async def test_proved_callback_is_stored_once_however_often_and_at_once_it_comes(
    calls: httpx.AsyncClient, db: Database
) -> None:
    body = b'{"type": "email.delivered", "data": {}}'
    sent = [calls.post("/v1/webhooks/resend", content=body, headers=signed(body)) for _ in range(20)]
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {204}
    assert await stored(db) == 1
    other = signed(body, event="msg_2")
    assert (await calls.post("/v1/webhooks/resend", content=body, headers=other)).status_code == 204
    assert await stored(db) == 2


async def test_twilio_is_proved_over_the_configured_address_behind_any_proxy(
    calls: httpx.AsyncClient, db: Database
) -> None:
    fields, query = {"MessageSid": "SM1", "MessageStatus": "sent", "To": "+15555550177"}, "message_id=5&x=%C3%BC"
    for number, address in enumerate((ADDRESS, "https://api.singr.example"), 1):
        told = fields | {"MessageSid": f"SM{number}"}
        url = f"{address}/v1/webhooks/twilio/status?{query}"
        whole = url + "".join(name + value for name, value in sorted(told.items()))
        signature = base64.b64encode(hmac.new(TOKEN.encode(), whole.encode(), hashlib.sha1).digest()).decode()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature,
            "x-forwarded-proto": "http",
            "host": "internal:3000",
        }
        path = f"/v1/webhooks/twilio/status?{query}"
        assert (await calls.post(path, content=urlencode(told), headers=headers)).status_code == 204
        assert (await calls.post(path + "&y=1", content=urlencode(told), headers=headers)).status_code == 401
        assert (await calls.post("/v1/webhooks/twilio/inbound", content=urlencode(told), headers=headers)).is_error
    assert await stored(db) == 2


async def test_what_nothing_proves_is_refused_and_leaves_no_row(
    calls: httpx.AsyncClient, db: Database, world: Any
) -> None:
    body = b'{"type": "email.delivered", "data": {}}'
    forged: list[tuple[str, bytes, dict[str, str]]] = [
        ("resend", body, {}),
        ("resend", body + b" ", signed(body)),
        ("resend", body, signed(body, at=time.time() - 302)),
        ("resend", body, signed(body, at=time.time() + 302)),
        ("mailjet", body, {}),
        ("mailjet/wrong-secret-0123456789", body, {}),
        ("stripe", body, {"stripe-signature": "t=1,v1=00"}),
        ("twilio/status", b"a=1", {"x-twilio-signature": "AAAA"}),
        ("twilio/status", b"\xff" * 100, {"x-twilio-signature": "\u00ff".encode("latin-1").decode("latin-1")}),
    ]
    for path, content, headers in forged:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await calls.post(f"/v1/webhooks/{path}", content=content, headers=raw)
        world.problem(answer, 401, "callback-refused")
    for path in ("nobody", "twilio", "twilio/voice", "resend/secret"):
        world.problem(await calls.post(f"/v1/webhooks/{path}", content=body), 404, "not-found")
    assert await stored(db) == 0


async def test_callback_has_a_mebibyte_at_most_and_any_bytes(
    calls: httpx.AsyncClient, db: Database, world: Any
) -> None:
    path = f"/v1/webhooks/mailjet/{SECRET}"
    world.problem(await calls.post(path, content=b"x" * (MOST + 1)), 413, "body-too-large")
    for body in (b"x" * MOST, b"", b"\0\xff\xfe", b"[" * 100_000, b'{"event": "\\ud800", "time": 1e400}'):
        answer = await calls.post(path, content=body, headers={"content-type": "image/gif", "accept": "text/plain"})
        assert answer.status_code == 204, body[:20]
    assert await stored(db) == 5
