"""What is particular to FCM: access tokens, errors by their own code, copies that replace, 4,096 bytes."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from comms_benches import PATIENT

from singr_comms import (
    AccountRefusedError,
    CommsError,
    FcmProvider,
    InvalidMessageError,
    Message,
    MessageType,
    PermanentSendError,
    PlainPush,
    PushEnvelope,
    SendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.providers.fcm import DEAD_TOKENS
from singr_comms.rendering._templates import place
from singr_config import Secret
from singr_dev.clock import VirtualClock
from singr_dev.simulators import FcmSimulator
from singr_dev.simulators.fcm import Platform

Make = Callable[..., Any]
TOKEN = "device-token:0123456789"


@pytest.fixture
def simulator(running: Callable[..., Any]) -> FcmSimulator:
    found: FcmSimulator = running(FcmSimulator)
    return found


def at(simulator: FcmSimulator, http: httpx.AsyncClient, **options: Any) -> FcmProvider:
    given = {
        "project_id": simulator.project_id,
        "client_email": simulator.client_email,
        "private_key": Secret(simulator.private_key),
        "base_url": simulator.base_url,
        "token_url": simulator.token_url,
        "deadline": PATIENT,
    }
    return FcmProvider(http, **(given | options))


@pytest.fixture
def provider(simulator: FcmSimulator, http: httpx.AsyncClient) -> FcmProvider:
    return at(simulator, http)


async def test_what_is_sent_is_shown_on_every_platform_and_replaced_by_its_copy(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    link = "https://singr.example/requests"
    receipt = await provider.send(plain_push("0192ab", link=link))
    [received] = simulator.received
    assert receipt.provider_message_id == received.id
    assert received.message == {
        "token": TOKEN,
        "notification": {"title": "Café <Müller>", "body": "You & Söhne are next"},
        "data": {"kind": "plain", "message_id": "0192ab", "link": link},
        "android": {"notification": {"tag": "0192ab"}},
        "apns": {"headers": {"apns-collapse-id": "0192ab"}},
        "webpush": {
            "headers": {"Topic": "0192ab"},
            "notification": {"tag": "0192ab"},
            "fcm_options": {"link": link},
        },
    }
    await provider.send(plain_push("0192ab", link=link))
    platforms: tuple[Platform, ...] = ("android", "ios", "web")
    assert [len(simulator.on_device(TOKEN, platform)) for platform in platforms] == [1, 1, 1]
    assert len(simulator.on_device(TOKEN)) == 1


async def test_copy_without_the_tag_that_a_platform_goes_by_is_shown_beside_the_first(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    await provider.send(plain_push("0192ab"))
    await provider.send(plain_push("0192ab"))
    for received in simulator.received:
        del received.message["webpush"]["notification"]
    assert len(simulator.on_device(TOKEN, "android")) == 1
    assert len(simulator.on_device(TOKEN, "web")) == 2, "a topic replaces what waits, and nothing that is shown"
    assert len(simulator.on_device(TOKEN)) == 2, "a device of any kind is meant"


async def test_key_that_is_no_topic_of_web_push_becomes_one(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    await provider.send(plain_push("a.key-with.dots" + "x" * 40))
    [received] = simulator.received
    assert len(received.message["webpush"]["headers"]["Topic"]) == 32


async def test_link_that_is_not_https_is_left_to_the_app(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    await provider.send(plain_push(link="http://localhost:3000/x"))
    [received] = simulator.received
    assert received.message["data"]["link"] == "http://localhost:3000/x"
    assert "fcm_options" not in received.message["webpush"]


async def test_longest_plain_push_fits(provider: FcmProvider, plain_push: Make) -> None:
    longest = plain_push(
        "x" * 64, title="\U0001f3a4" * 200, text="\U0001f3b6" * 400, link="https://e.example/" + "x" * 494
    )
    await provider.send(longest)


class Ballad(Message, tag="ballad", frozen=True, kw_only=True):
    text: str
    link: str = ""


async def test_push_that_is_too_large_never_leaves(
    simulator: FcmSimulator, provider: FcmProvider, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("push.title.txt", "push.txt"):
        (tmp_path / name).write_text("{{ text }}")
    kind = MessageType(tmp_path, when_unknown="repeat", push=Ballad, examples=(lambda name: Ballad(text=name),))
    place(Ballad, kind.folder)
    monkeypatch.setattr("singr_comms.providers.fcm.check_push", lambda envelope: envelope)
    message = Ballad(text="x", link="https://e.example/" + "x" * 4_000)
    with pytest.raises(PermanentSendError) as caught:
        await provider.send(PushEnvelope(to=TOKEN, message=message, idempotency_token="t"))
    assert caught.value.code == "too_large"
    assert not simulator.requests


async def test_push_that_fills_its_room_fits_with_the_longest_key(
    simulator: FcmSimulator, provider: FcmProvider, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("push.title.txt", "push.txt"):
        (tmp_path / name).write_text("{{ text }}")
    kind = MessageType(tmp_path, when_unknown="repeat", push=Ballad, examples=(lambda name: Ballad(text=name),))
    place(Ballad, kind.folder)
    monkeypatch.setattr("singr_comms.providers.fcm.check_push", lambda envelope: envelope)
    message = Ballad(text="x" * 4_000, link="https://e.example/" + "x" * 494)
    await provider.send(PushEnvelope(to=TOKEN, message=message, idempotency_token="t" * 64, time_to_live=4_000_000))
    assert simulator.on_device(TOKEN)[0]["notification"]["body"].endswith("…")


# --- access tokens ---------------------------------------------------------------------------------------------------


async def test_one_access_token_serves_all_calls_at_once_and_for_55_minutes(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make, clock: VirtualClock
) -> None:
    await asyncio.gather(*(provider.send(plain_push(f"t{number}")) for number in range(8)))
    clock.advance(minutes=54)
    await provider.send(plain_push())
    assert simulator.tokens_given == 1
    clock.advance(minutes=2)
    await provider.send(plain_push())
    assert simulator.tokens_given == 2


async def test_access_token_that_no_longer_counts_is_asked_for_anew(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    await provider.send(plain_push())
    simulator.revoke()
    with pytest.raises(AccountRefusedError):
        await provider.send(plain_push("two"))
    await provider.send(plain_push("two"))
    assert len(simulator.received) == 2


async def test_account_that_google_does_not_know_keeps_messages(
    simulator: FcmSimulator, http: httpx.AsyncClient, plain_push: Make
) -> None:
    with pytest.raises(AccountRefusedError) as caught:
        await at(simulator, http, client_email="gone@singr.iam.gserviceaccount.com").send(plain_push())
    assert caught.value.code == "fcm_invalid_grant"
    assert not simulator.requests


@pytest.mark.parametrize(("status", "body"), [(500, {}), (502, b""), (503, {}), (200, {}), (200, b"no")])
async def test_no_access_token_now_means_not_sent(
    simulator: FcmSimulator, raw_server: Any, http: httpx.AsyncClient, plain_push: Make, status: int, body: object
) -> None:
    raw_server.default = lambda _: (status, {}, body)
    with pytest.raises(TransientError) as caught:
        await at(simulator, http, token_url=raw_server.url).send(plain_push())
    assert (type(caught.value), caught.value.waits) == (TransientError, False)


async def test_a_push_waits_where_nobody_answers_who_asks_for_an_access_token(
    simulator: FcmSimulator, raw_server: Any, http: httpx.AsyncClient, plain_push: Make
) -> None:
    raw_server.mode = "cut"
    for url in (raw_server.url, "http://127.0.0.1:1"):
        with pytest.raises(TransientError) as caught:
            await at(simulator, http, token_url=url).send(plain_push())
        assert (caught.value.code, caught.value.waits) == ("connection", True)


@pytest.mark.parametrize("key", ["", "x", "-----BEGIN PRIVATE KEY-----\nc2VzYW1l\n-----END PRIVATE KEY-----\n"])
def test_key_that_is_none_is_refused_at_once_and_not_shown(
    simulator: FcmSimulator, http: httpx.AsyncClient, key: str
) -> None:
    with pytest.raises(CommsError, match="FIREBASE_PRIVATE_KEY") as caught:
        at(simulator, http, private_key=Secret(key))
    assert "c2VzYW1l" not in str(caught.value)


# --- errors by their own code ----------------------------------------------------------------------------------------

FCM, BAD = "type.googleapis.com/google.firebase.fcm.v1.FcmError", "type.googleapis.com/google.rpc.BadRequest"


def said(status: str, code: str | None = None, field: str = "") -> dict[str, Any]:
    details: list[dict[str, Any]] = [{"@type": FCM, "errorCode": code}] if code else []
    if field:
        details.append({"@type": BAD, "fieldViolations": [{"field": field, "description": "no"}]})
    return {"error": {"status": status, "message": "No such token, INTERNAL UNREGISTERED", "details": details}}


ERRORS: tuple[tuple[int, dict[str, Any], type[SendError], str], ...] = (
    (404, said("NOT_FOUND", "UNREGISTERED"), PermanentSendError, "fcm_UNREGISTERED"),
    (403, said("PERMISSION_DENIED", "SENDER_ID_MISMATCH"), PermanentSendError, "fcm_SENDER_ID_MISMATCH"),
    (400, said("INVALID_ARGUMENT", None, "message.token"), PermanentSendError, "fcm_INVALID_TOKEN"),
    (400, said("INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"), PermanentSendError, "fcm_INVALID_TOKEN"),
    (400, said("INVALID_ARGUMENT", "INVALID_ARGUMENT"), PermanentSendError, "fcm_INVALID_ARGUMENT"),
    (400, said("INVALID_ARGUMENT", None, "message.data[0].value"), PermanentSendError, "fcm_INVALID_ARGUMENT"),
    (429, said("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), TooManyRequestsError, "fcm_QUOTA_EXCEEDED"),
    (503, said("UNAVAILABLE", "UNAVAILABLE"), TransientError, "fcm_UNAVAILABLE"),
    (500, said("INTERNAL", "INTERNAL"), UnknownOutcomeError, "fcm_INTERNAL"),
    (401, said("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), AccountRefusedError, "fcm_THIRD_PARTY_AUTH_ERROR"),
    (401, said("UNAUTHENTICATED"), AccountRefusedError, "fcm_http_401"),
    (403, said("PERMISSION_DENIED"), AccountRefusedError, "fcm_http_403"),
    (404, said("NOT_FOUND"), AccountRefusedError, "fcm_http_404"),
)
DEAD = {"fcm_UNREGISTERED", "fcm_SENDER_ID_MISMATCH", "fcm_INVALID_TOKEN"}


@pytest.mark.parametrize(("status", "body", "kind", "code"), ERRORS)
async def test_each_code_has_its_meaning_whatever_the_text_says(
    simulator: FcmSimulator,
    raw_server: Any,
    http: httpx.AsyncClient,
    plain_push: Make,
    status: int,
    body: dict[str, Any],
    kind: type[SendError],
    code: str,
) -> None:
    raw_server.default = lambda _: (status, {}, body)
    with pytest.raises(SendError) as caught:
        await at(simulator, http, base_url=raw_server.url).send(plain_push())
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert (code in DEAD_TOKENS) is (code in DEAD)
    # Apple's and browsers' tokens hold nobody else's pushes; a key of Google's that is refused holds them all.
    assert getattr(caught.value, "only_some", False) is (code == "fcm_THIRD_PARTY_AUTH_ERROR")


async def test_quota_without_a_word_of_when_waits_a_minute(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    simulator.fail_next(429)
    with pytest.raises(TooManyRequestsError) as caught:
        await provider.send(plain_push())
    assert caught.value.retry_after == 60.0


async def test_one_dead_token_of_many_stops_no_other(
    simulator: FcmSimulator, provider: FcmProvider, plain_push: Make
) -> None:
    simulator.of_others.add("dead-token:0123456789")
    devices = [f"device-token:{number:010}" for number in range(5)] + ["dead-token:0123456789"]
    sent = await asyncio.gather(
        *(provider.send(plain_push(f"t{number}", to)) for number, to in enumerate(devices)), return_exceptions=True
    )
    assert [type(one) for one in sent if isinstance(one, SendError)] == [PermanentSendError]
    assert len(simulator.received) == 5


@pytest.mark.parametrize("body", [b"", b"OK", {}, {"name": 7}, {"name": ""}])
async def test_success_without_a_name_is_unknown(
    simulator: FcmSimulator, raw_server: Any, http: httpx.AsyncClient, plain_push: Make, body: object
) -> None:
    raw_server.default = lambda _: (200, {}, body)
    with pytest.raises(UnknownOutcomeError):
        await at(simulator, http, base_url=raw_server.url).send(plain_push())


# --- topics of FCM's own ---------------------------------------------------------------------------------------------

NEWS = PlainPush(title="Tonight", text="Doors open at eight")
OTHER = "device-token:9876543210"


async def test_what_is_published_reaches_whoever_is_in_the_topic(
    simulator: FcmSimulator, provider: FcmProvider
) -> None:
    for device in (TOKEN, OTHER, TOKEN):
        await provider.subscribe(device, "blue-note~events")
    receipt = await provider.publish("blue-note~events", NEWS, idempotency_token="0192ab")
    [received] = simulator.received
    assert receipt.provider_message_id == received.id
    assert (received.message["topic"], "token" in received.message) == ("blue-note~events", False)
    for _ in range(2):
        await provider.unsubscribe(OTHER, "blue-note~events")
    await provider.publish("blue-note~events", NEWS, idempotency_token="0192ac")
    assert [len(simulator.on_device(device)) for device in (TOKEN, OTHER)] == [2, 1]


async def test_dead_device_is_told_from_one_that_is_in_no_topic(simulator: FcmSimulator, provider: FcmProvider) -> None:
    simulator.unregistered.add(OTHER)
    for change in (provider.subscribe, provider.unsubscribe):
        with pytest.raises(PermanentSendError) as caught:
            await change(OTHER, "events")
        assert caught.value.code in DEAD_TOKENS
    await provider.unsubscribe(TOKEN, "events")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_subscription_that_is_not_known_to_stand_is_asked_for_again(
    simulator: FcmSimulator, provider: FcmProvider, status: int
) -> None:
    simulator.fail_next(status)
    with pytest.raises(TransientError):
        await provider.subscribe(TOKEN, "events")
    simulator.accept_then_fail_next(500)
    with pytest.raises(TransientError):
        await provider.subscribe(TOKEN, "events")
    await provider.subscribe(TOKEN, "events")
    simulator.revoke()
    with pytest.raises(AccountRefusedError):
        await provider.unsubscribe(TOKEN, "events")
    await provider.unsubscribe(TOKEN, "events")
    assert simulator.topics == {"events": set()}


@pytest.mark.parametrize(
    ("device", "topic", "field"), [("short", "events", "device"), (TOKEN, "", "topic"), (TOKEN, "a/b", "topic")]
)
async def test_what_is_no_device_or_topic_never_leaves(
    simulator: FcmSimulator, provider: FcmProvider, device: str, topic: str, field: str
) -> None:
    for change in (provider.subscribe, provider.unsubscribe):
        with pytest.raises(InvalidMessageError) as caught:
            await change(device, topic)
        assert caught.value.field == field
    if field == "topic":
        with pytest.raises(InvalidMessageError):
            await provider.publish(topic, NEWS, idempotency_token="t")
    assert not simulator.requests
