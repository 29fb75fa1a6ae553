"""Providers' own libraries drive our simulators, and send, field for field, what our providers send."""

from asyncio import to_thread
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import firebase_admin
import httpx
import mailjet_rest
import pytest
import resend
import twilio.rest
from comms_benches import benches
from firebase_admin import messaging
from twilio.base.exceptions import TwilioRestException

from singr_comms import TwilioProvider, render_email, render_sms
from singr_config import Secret
from singr_dev.simulators import FcmSimulator, MailjetSimulator, ResendSimulator, TwilioSimulator

Make = Callable[..., Any]
BENCHES: Mapping[str, Any] = benches()


# --- Resend ----------------------------------------------------------------------------------------------------------


@contextmanager
def resend_at(simulator: ResendSimulator) -> Iterator[None]:
    before = resend.api_key, resend.api_url
    resend.api_key, resend.api_url = simulator.api_key, simulator.base_url
    try:
        yield
    finally:
        resend.api_key, resend.api_url = before


async def test_resend_sends_what_its_library_sends(
    running: Callable[..., Any], http: httpx.AsyncClient, song_email: Make
) -> None:
    simulator: ResendSimulator = running(ResendSimulator)
    envelope = song_email()
    await BENCHES["resend"](simulator, http).provider.send(envelope)
    rendered = render_email(envelope.message)
    ours = simulator.received[0]
    simulator.reset()
    params: Any = {
        "from": ours.message["from"],
        "to": ['"Jane Ünal" <jane@example.org>'],
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "tags": ours.message["tags"],
    }
    with resend_at(simulator):
        answer = resend.Emails.send(params, {"idempotency_key": "token-1"})
        again = resend.Emails.send(params, {"idempotency_key": "token-1"})
        read: Any = resend.Emails.get(answer["id"])
    [theirs] = simulator.received
    assert theirs.message == ours.message
    assert {ours.headers[name] for name in ("idempotency-key", "authorization", "content-type")} == {
        theirs.headers[name] for name in ("idempotency-key", "authorization", "content-type")
    }
    assert answer["id"] == again["id"] == theirs.id
    assert read["subject"] == rendered.subject


def test_resends_library_understands_our_simulators_refusals(running: Callable[..., Any]) -> None:
    simulator: ResendSimulator = running(ResendSimulator)
    with resend_at(simulator), pytest.raises(resend.exceptions.MissingRequiredFieldsError):
        resend.Emails.send({"from": "a@singrkaraoke.com", "to": "b@example.org", "subject": "s"})


# --- Mailjet ---------------------------------------------------------------------------------------------------------


async def test_mailjet_sends_what_its_library_sends(
    mailjet: MailjetSimulator, http: httpx.AsyncClient, song_email: Make
) -> None:
    envelope = song_email()
    receipt = await BENCHES["mailjet"](mailjet, http).provider.send(envelope)
    rendered = render_email(envelope.message)
    ours = mailjet.received[0]
    credentials = (mailjet.api_key, mailjet.secret_key)
    sending: Any = mailjet_rest.Client(auth=credentials, version="v3.1", api_url=f"{mailjet.base_url}/")
    message = {
        "From": {"Email": "noreply@singrkaraoke.com", "Name": "Singr & Co. \N{EIGHTH NOTE}"},
        "To": [{"Email": "jane@example.org", "Name": "Jane Ünal"}],
        "CustomID": "token-1",
        "Subject": rendered.subject,
        "TextPart": rendered.text,
        "HTMLPart": rendered.html,
    }
    answer = sending.send.create(data={"Messages": [message]})
    assert answer.status_code == 200
    assert mailjet.received[1].message == ours.message
    reading: Any = mailjet_rest.Client(auth=credentials, version="v3", api_url=f"{mailjet.base_url}/")
    listed = reading.message.get(filters={"CustomID": "token-1", "ShowCustomID": True}).json()["Data"]
    assert [str(one["ID"]) for one in listed] == [mailjet.received[1].id, receipt.provider_message_id]


# --- Twilio ----------------------------------------------------------------------------------------------------------


def twilio_client(simulator: TwilioSimulator) -> Any:
    client = twilio.rest.Client(simulator.account_sid, simulator.auth_token)
    client.api.base_url = simulator.base_url
    return client


async def test_twilio_sends_what_its_library_sends(
    twilio: TwilioSimulator, http: httpx.AsyncClient, song_sms: Make
) -> None:
    envelope = song_sms()
    receipt = await BENCHES["twilio"](twilio, http).provider.send(envelope)
    client = twilio_client(twilio)
    made = client.messages.create(to=envelope.to, from_=twilio.numbers[0], body=render_sms(envelope.message))
    ours, theirs = twilio.received
    assert theirs.message == ours.message
    assert theirs.headers["authorization"] == ours.headers["authorization"]
    assert client.messages(made.sid).fetch().body == render_sms(envelope.message)
    listed = client.messages.list(to=envelope.to, limit=20, page_size=1)
    assert [one.sid for one in listed] == [made.sid, receipt.provider_message_id]


async def test_twilio_is_asked_by_service_and_told_where_to_call_back_as_its_library_does(
    http: httpx.AsyncClient, song_sms: Make
) -> None:
    service, envelope = "MG" + "0" * 32, song_sms("token-9")
    with TwilioSimulator(messaging_services=[service]).serve() as simulator:
        back = f"{simulator.base_url}/nobody-listens-here"
        provider = TwilioProvider(
            http,
            account_sid=simulator.account_sid,
            auth_token=Secret(simulator.auth_token),
            messaging_service=service,
            status_callback=back,
            base_url=simulator.base_url,
        )
        await provider.send(envelope)
        twilio_client(simulator).messages.create(
            to=envelope.to,
            messaging_service_sid=service,
            body=render_sms(envelope.message),
            status_callback=f"{back}?message_id=token-9",
        )
        ours, theirs = simulator.received
    assert theirs.message == ours.message


def test_twilios_library_understands_our_simulators_refusals(twilio: TwilioSimulator) -> None:
    with pytest.raises(TwilioRestException) as caught:
        twilio_client(twilio).messages.create(to="+15005550001", from_=twilio.numbers[0], body="x")
    assert caught.value.code == 21211


# --- Firebase --------------------------------------------------------------------------------------------------------


@contextmanager
def firebase_at(simulator: FcmSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    url = f"{simulator.base_url}/v1/projects/{{0}}/messages:send"
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", url)
    account = {
        "type": "service_account",
        "project_id": simulator.project_id,
        "private_key": simulator.private_key,
        "client_email": simulator.client_email,
        "token_uri": simulator.token_url,
    }
    app = firebase_admin.initialize_app(firebase_admin.credentials.Certificate(account), name=simulator.base_url)
    try:
        yield app
    finally:
        firebase_admin.delete_app(app)


async def test_firebase_is_sent_what_its_library_sends(
    running: Callable[..., Any], http: httpx.AsyncClient, plain_push: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator: FcmSimulator = running(FcmSimulator)
    link = "https://singr.example/requests"
    envelope = plain_push("0192ab", link=link)
    await BENCHES["fcm"](simulator, http).provider.send(envelope)
    with pytest.deprecated_call():  # it prefers installation ids, which apps of today do not send
        message = messaging.Message(
            token=envelope.to,
            notification=messaging.Notification(title="Café <Müller>", body="You & Söhne are next"),
            data={"kind": "plain", "message_id": "0192ab", "link": link},
            android=messaging.AndroidConfig(notification=messaging.AndroidNotification(tag="0192ab")),
            apns=messaging.APNSConfig(headers={"apns-collapse-id": "0192ab"}),
            webpush=messaging.WebpushConfig(
                headers={"Topic": "0192ab"},
                notification=messaging.WebpushNotification(tag="0192ab"),
                fcm_options=messaging.WebpushFCMOptions(link=link),
            ),
        )

    def send() -> str:  # off the loop: their client ends with a loop of its own
        with firebase_at(simulator, monkeypatch) as app:
            taken: str = messaging.send(message, app=app)
            simulator.unregistered.add(envelope.to)
            with pytest.raises(messaging.UnregisteredError):
                messaging.send(message, app=app)
            return taken

    sent = await to_thread(send)
    ours, theirs = simulator.received
    assert theirs.message == ours.message
    assert sent.endswith(theirs.id)
