"""S24: callbacks come in over HTTP, each once, proved, and whole; what nothing proves leaves no row."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest
from api_callers import ORGANIZATION
from api_serving import serving
from msgspec.structs import replace
from sqlalchemy import text

from singr_api.app import create_app
from singr_api.wiring.routes import routes
from singr_config import Secret, Settings, WebhookSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, new_id
from singr_observability import redact_path

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
    fields, query = (
        {"MessageSid": "SM" + 32 * "1", "MessageStatus": "sent", "To": "+15555550177"},
        "message_id=5&x=%C3%BC",
    )
    for number, address in enumerate((ADDRESS, "https://api.singr.example"), 1):
        told = fields | {"MessageSid": f"SM{number:032x}"}
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
        ("mailjet/wrong-secret", body, {}),
        ("stripe", body, {"stripe-signature": "t=1,v1=00"}),
        ("twilio/status", b"a=1", {"x-twilio-signature": "AAAA"}),
        ("twilio/status", b"\xff" * 100, {"x-twilio-signature": "\u00ff".encode("latin-1").decode("latin-1")}),
    ]
    for path, content, headers in forged:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await calls.post(f"/v1/webhooks/{path}", content=content, headers=raw)
        problem = world.problem(answer, 401, "callback-refused")
        assert problem["instance"] == f"/v1/webhooks/{path.replace('wrong-secret', '[REDACTED]')}"
    for path in ("nobody", "twilio", "twilio/voice", "resend/secret"):
        world.problem(await calls.post(f"/v1/webhooks/{path}", content=body), 404, "not-found")
    assert await stored(db) == 0


async def test_callback_that_was_packed_on_the_way_is_proved_by_what_it_says(
    calls: httpx.AsyncClient, db: Database, world: Any
) -> None:
    body = b'{"type": "email.delivered", "data": {}}'
    path, proof = "/v1/webhooks/resend", signed(body)
    for packing in ("gzip", "X-GZIP"):
        sent = {**signed(body, event=f"msg_{packing}"), "content-encoding": packing}
        assert (await calls.post(path, content=gzip.compress(body), headers=sent)).status_code == 204
    assert (await calls.post(path, content=body, headers={**proof, "content-encoding": "identity"})).status_code == 204
    fields = {"MessageSid": "SM" + 32 * "1", "MessageStatus": "sent"}
    signature = hmac.new(
        TOKEN.encode(),
        (f"{ADDRESS}/v1/webhooks/twilio/status" + "".join(name + fields[name] for name in sorted(fields))).encode(),
        hashlib.sha1,
    ).digest()
    answer = await calls.post(
        "/v1/webhooks/twilio/status",
        content=gzip.compress(urlencode(fields).encode()),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "content-encoding": "gzip",
            "x-twilio-signature": base64.b64encode(signature).decode(),
        },
    )
    assert answer.status_code == 204, answer.text
    assert await stored(db) == 4
    whole = gzip.compress(body)
    bad = {
        "cut off": (whole[:-9], "gzip", 400, "malformed-body"),
        "none": (body, "gzip", 400, "malformed-body"),
        "empty": (b"", "gzip", 400, "malformed-body"),
        "two": (whole + whole, "gzip", 400, "malformed-body"),
        "another way": (whole, "br", 415, "unsupported-media-type"),
        "twice": (gzip.compress(whole), "gzip, gzip", 415, "unsupported-media-type"),
        "bomb": (gzip.compress(b" " * (MOST + 1)), "gzip", 413, "body-too-large"),
        "packed twice": (gzip.compress(whole), "gzip", 401, "callback-refused"),
        "packed by the signature": (gzip.compress(body), "gzip", 401, "callback-refused"),
    }
    for name, (content, packing, status, slug) in bad.items():
        proof = signed(content if name == "packed by the signature" else body, event="msg_bad")
        answer = await calls.post(path, content=content, headers={**proof, "content-encoding": packing})
        world.problem(answer, status, slug)
    assert await stored(db) == 4


async def test_secret_of_an_address_that_is_a_little_wrong_is_repeated_nowhere(calls: httpx.AsyncClient) -> None:
    secret = SECRET.replace("0123456789", "")  # does not look drawn at random
    ends = ("webhooks/mailjets", "webhook/mailjet", "webhooks/resend", "webhooks/twilio/status", "webhooks", "mailjet")
    ends += ("webhooks/%2e/mailjet", "webhooks%2fMAILJET", "unsubscribe", "verify-email", "auth/magic", "invitations")
    for end in ends:
        answer = await calls.post(f"/v1/{end}/{secret}", content=b"{}")
        assert answer.status_code in {401, 404, 405}, end
        assert secret not in answer.text, end
        assert secret not in redact_path(unquote(f"/v1/{end}/{secret}")), end


def test_addresses_of_all_routes_stay_legible_in_the_log(configured: Settings) -> None:
    create_app(configured)
    for route in routes():
        path = re.sub(r"\{\w*(provider|channel|part|queue)\}", "mailjet", route.policy.path)
        path = re.sub(r"\{\w+\}", "01920000-0000-7000-8000-000000000001", path)
        assert redact_path(path) == path


async def test_callback_has_a_mebibyte_at_most_and_any_bytes(
    calls: httpx.AsyncClient, db: Database, world: Any
) -> None:
    path = f"/v1/webhooks/mailjet/{SECRET}"
    world.problem(await calls.post(path, content=b"x" * (MOST + 1)), 413, "body-too-large")
    for body in (b"x" * MOST, b"", b"\0\xff\xfe", b"[" * 100_000, b'{"event": "\\ud800", "time": 1e400}'):
        answer = await calls.post(path, content=body, headers={"content-type": "image/gif", "accept": "text/plain"})
        assert answer.status_code == 204, body[:20]
    assert await stored(db) == 5


async def test_operators_see_rehearse_and_replay_what_came(
    calls: httpx.AsyncClient, db: Database, callers: Any, client: Any, world: Any
) -> None:
    body = b'{"event": "sent", "time": 1, "MessageID": 7, "CustomID": "01920000000070008000000000000bad"}'
    assert (await calls.post(f"/v1/webhooks/mailjet/{SECRET}", content=body)).status_code == 204
    operator = client(str(calls.base_url), callers.platform)
    [one] = (await operator.get("/v1/webhooks", params={"provider": "mailjet", "state": "received"})).json()["items"]
    assert (one["event"], one["events"], one["outcome"]) == ("sent", 1, None)
    path = f"/v1/webhooks/{one['id']}"
    assert (await operator.get(path)).json() == one
    [effect] = (await operator.post(f"{path}/rehearse")).json()["effects"]
    assert effect["outcome"] == "ignored"
    assert (await operator.post(f"{path}/replay", headers=world.key())).json()["state"] == "received"
    async with db.platform() as session:
        await session.execute(text("UPDATE webhooks_received SET state = 'ignored'"))
    asked = {"state": "ignored", "provider": "mailjet", "reason": "restored"}
    answer = await operator.post("/v1/webhooks/replay", json=asked, headers=world.key())
    assert answer.json() == {"count": 1, "next_cursor": None}
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM jobs WHERE type = 'webhook.process'")) == 3
        done = list(await session.scalars(text("SELECT kind FROM operation_log ORDER BY id")))
    assert done[-2:] == ["webhook.replay", "webhook.replay_many"]
    gone = "/v1/webhooks/01920000-0000-7000-8000-00000000dead"
    world.problem(await operator.get(gone), 404, "not-found")
    world.problem(await operator.post(f"{gone}/rehearse"), 404, "not-found")


async def test_suppressed_address_is_found_and_lifted_with_a_note_by_its_organization_alone(
    calls: httpx.AsyncClient, db: Database, callers: Any, client: Any, world: Any, configured: Settings
) -> None:
    prints = Sealer(configured.auth.secret).fingerprint("jane@example.org", context="messages.recipient")
    add = text(
        "INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)"
        " VALUES (:id, :organization, 'email', :hash, 'j***@example.org', 'all', :reason)"
    )
    ours, of_all = new_id(), new_id()
    async with db.platform() as session:
        # what a reader said to the platform itself is nobody else's to see
        told_platform = (new_id(), PLATFORM_ORGANIZATION_ID, "complained")
        rows = ((ours, ORGANIZATION, "complained"), (of_all, PLATFORM_ORGANIZATION_ID, "bounced"), told_platform)
        for key, organization, reason in rows:
            await session.execute(add, {"id": key, "organization": organization, "hash": prints, "reason": reason})
        lifting = "UPDATE suppressions SET lifted_at = now(), lifted_by = 'user:x', lifted_note = 'n' WHERE id = :id"
        await session.execute(text(lifting), {"id": of_all})
    owner, other = client(str(calls.base_url), callers.own), client(str(calls.base_url), callers.other)
    found = {"recipient": "JANE@example.org"}
    listed = (await owner.get("/v1/suppressions", params=found)).json()["items"]
    assert [(one["id"], one["of_all"]) for one in listed] == [(str(of_all), True), (str(ours), False)]
    [shown] = (await other.get("/v1/suppressions", params=found)).json()["items"]
    assert (shown["of_all"], shown["lifted_by"], shown["lifted_note"]) == (True, None, None)
    unasked = [(await one.get("/v1/suppressions")).json()["items"] for one in (owner, other)]
    assert [[each["id"] for each in items] for items in unasked] == [[str(ours)], []], "of all, only who is asked for"
    note = {"note": "They asked for it by phone."}
    for caller, one in ((other, ours), (owner, of_all), (other, of_all)):
        answer = await caller.post(f"/v1/suppressions/{one}/lift", json=note, headers=world.key())
        world.problem(answer, 404, "not-found")
    path = f"/v1/suppressions/{ours}/lift"
    world.problem(await owner.post(path, json={}, headers=world.key()), 422, "invalid")
    lifted = (await owner.post(path, json=note, headers=world.key())).json()
    assert (lifted["lifted_note"], bool(lifted["lifted_at"])) == (note["note"], True)
    world.problem(await owner.post(path, json=note, headers=world.key()), 404, "not-found")
