"""Mails, text messages and pushes side by side, as the simulators take them, and where `singr-dev up` leads each."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from singr_config import load_settings
from singr_dev.inbox import Inbox
from singr_dev.simulators import Received
from singr_dev.stack import _environment as environment
from singr_dev.stack._delivery import Delivery, delivering
from singr_dev.stack._secrets import development_secrets

PORTS = dict.fromkeys(
    ("SMTP_PORT", "INBOX_PORT", "TWILIO_SIMULATOR_PORT", "FCM_SIMULATOR_PORT", "RESEND_SIMULATOR_PORT"), 0
)


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    with delivering(tmp_path / "inbox", PORTS, development_secrets(tmp_path / "dev.env"), {}) as made:
        yield made


def text_to(delivery: Delivery, to: str, body: str) -> None:
    twilio = delivery.twilio
    sent = {"To": to, "From": twilio.numbers[0], "Body": body}
    url = f"{twilio.base_url}/2010-04-01/Accounts/{twilio.account_sid}/Messages.json"
    assert httpx.post(url, data=sent, auth=(twilio.account_sid, twilio.auth_token)).status_code == 201


def take_push(inbox: Inbox, **notification: str) -> None:
    message = {"token": "a-device-token", "notification": notification, "data": {"link": "https://singr.app/r"}}
    inbox.shorts.add("push", "fcm", Received("0:1", message, {}))


def mail_to(inbox: Inbox, to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "noreply@singrkaraoke.com", to, subject
    message.set_content("Words.")
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port, timeout=10) as client:
        client.send_message(message)


def test_messages_of_all_channels_are_listed_newest_first_and_each_channel_alone(delivery: Delivery):
    inbox = delivery.inbox
    mail_to(inbox, "jane@example.org", "A mail")
    text_to(delivery, "+15555550100", "A text\nin two lines")
    take_push(inbox, title="A <push>", body="Its words")
    shown = httpx.get(f"{inbox.url}/").text
    places = [shown.index(words) for words in ("A &lt;push&gt;", "A text in two lines", "A mail")]
    assert places == sorted(places)
    only = httpx.get(f"{inbox.url}/?channel=sms").text
    assert "A text" in only
    assert "A mail" not in only
    everything = httpx.get(f"{inbox.url}/api/messages?channel=all").json()["messages"]
    assert [item["channel"] for item in everything] == ["push", "sms", "email"]
    assert len(httpx.get(f"{inbox.url}/api/messages").json()["messages"]) == 1, "mails alone, as ever"


def test_page_shows_what_a_text_costs_and_where_a_push_leads(delivery: Delivery):
    inbox = delivery.inbox
    text_to(delivery, "+15555550100", "ü" * 161)
    take_push(inbox, title="A push", body="Its words")
    push, text = httpx.get(f"{inbox.url}/api/messages?channel=all").json()["messages"]
    assert "2 parts" in httpx.get(f"{inbox.url}/sms/{text['id']}").text
    page = httpx.get(f"{inbox.url}/push/{push['id']}").text
    assert "of 4,096 bytes" in page
    assert "https://singr.app/r" in page
    for path in (f"/push/{text['id']}", f"/sms/{push['id']}", f"/mail/{text['id']}", "/sms/..%2f..%2fdev.env"):
        assert httpx.get(f"{inbox.url}{path}").status_code == 404


def test_messages_outlive_a_restart_and_go_with_a_clearing(tmp_path: Path):
    with Inbox(tmp_path / "kept") as inbox:
        take_push(inbox, title="Kept", body="…")
    with Inbox(tmp_path / "kept") as inbox:
        assert "Kept" in httpx.get(inbox.url).text
        before = httpx.get(f"{inbox.url}/api/newest").text
        inbox.clear()
        assert "Kept" not in httpx.get(inbox.url).text
        assert httpx.get(f"{inbox.url}/api/newest").text != before


def test_every_channel_comes_to_the_inbox_where_nothing_is_chosen(delivery: Delivery):
    environ = environment.combined({}, {}) | delivery.environ({}, "http://127.0.0.1:1")
    assert all(delivery.shows(channel, environ) for channel in ("EMAIL", "SMS", "PUSH"))
    settings = load_settings(environ, env_file=None)
    assert settings.push.firebase.base_url == delivery.fcm.base_url
    assert settings.sms.twilio.base_url == delivery.twilio.base_url
    assert not delivery.shows("SMS", environ | {"ENABLE_SMS_SENDING": "false"})


@pytest.mark.parametrize(
    ("given", "led"),
    [
        ({"SMS_PROVIDER": "twilio", "TWILIO_ACCOUNT_SID": "AC" + "1" * 32}, {"EMAIL", "PUSH"}),
        ({"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": "theirs"}, {"EMAIL", "SMS", "PUSH"}),
        ({"PUSH_PROVIDER": "console"}, {"EMAIL", "SMS"}),
        ({"EMAIL_PROVIDER": "mailjet"}, {"SMS", "PUSH"}),
        ({"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "mail.example.org"}, {"SMS", "PUSH"}),
    ],
)
def test_provider_that_was_chosen_keeps_its_own_settings_and_credentials_alone_choose_none(
    delivery: Delivery, given: dict[str, str], led: set[str]
):
    environ = environment.combined(given, {}) | delivery.environ(given, "http://127.0.0.1:1")
    assert {channel for channel in ("EMAIL", "SMS", "PUSH") if delivery.shows(channel, environ)} == led
    if "SMS" not in led:
        assert "TWILIO_BASE_URL" not in environ
