"""What the buttons of the inbox call back: proved as the API proves it, at once, later, and by recipients alone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_comms.inbound import AddressNews, Callback, Doors, ForgedError, MessageNews
from singr_config import load_settings
from singr_dev._serving import serving
from singr_dev.browser import Browser
from singr_dev.clock import VirtualClock
from singr_dev.inbox import Callbacks
from singr_dev.simulators import Received
from singr_dev.stack._delivery import Delivery, delivering
from singr_dev.stack._secrets import development_secrets

PORTS = dict.fromkeys(
    ("SMTP_PORT", "INBOX_PORT", "TWILIO_SIMULATOR_PORT", "FCM_SIMULATOR_PORT", "RESEND_SIMULATOR_PORT"), 0
)
OUTSIDE = "https://api.example.org"
OWN_ID = "01a21ed55458768b8f747cd5f9a69e07"


class Door:
    """The API's door for callbacks, in words: what each said that its provider was proved to have sent."""

    def __init__(self, secrets: dict[str, str], auth_token: str) -> None:
        given = secrets | {"APP_ENV": "test", "APP_URL_API": OUTSIDE, "TWILIO_AUTH_TOKEN": auth_token}
        self._doors = Doors(load_settings(given, env_file=None))
        self.heard: list[str] = []
        self.url = ""
        paths = ("/v1/webhooks/{provider}", "/v1/webhooks/{provider}/{part}")
        self.app = Starlette(routes=[Route(path, self._take, methods=["POST"]) for path in paths])

    async def _take(self, request: Request) -> Response:
        part, query = request.path_params.get("part", ""), request.url.query
        callback = Callback(body=await request.body(), part=part, query=query, headers=dict(request.headers))
        try:
            proved = self._doors.prove(request.path_params["provider"], callback)
        except ForgedError as error:
            return JSONResponse({"detail": str(error)}, 401)
        for news in proved.news:
            match news:
                case MessageNews():
                    stops = f", stops: {news.stops}" if news.stops else ""
                    self.heard.append(f"{news.message_id.hex if news.message_id else '-'} {news.state}{stops}")
                case AddressNews():
                    self.heard.append(f"{news.recipient} {news.event}")
        return Response(status_code=204)


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    with delivering(tmp_path / "inbox", PORTS, development_secrets(tmp_path / "dev.env"), {}) as made:
        yield made


@pytest.fixture
def door(tmp_path: Path, delivery: Delivery) -> Iterator[Door]:
    """Hears what the inbox calls back."""
    secrets = development_secrets(tmp_path / "dev.env")
    made = Door(secrets, delivery.twilio.auth_token)
    with contextlib.ExitStack() as stack:
        made.url = stack.enter_context(serving(made.app))
        callbacks = Callbacks(made.url, OUTSIDE, secrets["RESEND_WEBHOOK_SECRET"], delivery.twilio, delivery.fcm)
        stack.callback(callbacks.close)
        delivery.inbox.callbacks = callbacks
        yield made


def mail_to(delivery: Delivery, to: str, headers: dict[str, str] | None = None) -> str:
    """The address of a mail's page, as Resend took it from the API."""
    tags = [{"name": "message_id", "value": OWN_ID}, {"name": "kind", "value": "welcome"}]
    mail = {
        "from": '"Singr" <noreply@singrkaraoke.com>',
        "to": [to],
        "subject": "Wëlcome",
        "text": "Words.",
        "tags": tags,
    }
    mail |= {"headers": headers} if headers else {}
    url, key = f"{delivery.resend.base_url}/emails", delivery.resend.api_key
    assert httpx.post(url, json=mail, headers={"authorization": f"Bearer {key}"}).status_code == 200
    return f"{delivery.inbox.url}/mail/{delivery.inbox.mails[-1].id}"


def text_to(delivery: Delivery, to: str) -> str:
    twilio = delivery.twilio
    told = f"{OUTSIDE}/v1/webhooks/twilio/status?message_id={OWN_ID}"
    sent = {"To": to, "From": twilio.numbers[0], "Body": "Words.", "StatusCallback": told}
    url = f"{twilio.base_url}/2010-04-01/Accounts/{twilio.account_sid}/Messages.json"
    assert httpx.post(url, data=sent, auth=(twilio.account_sid, twilio.auth_token)).status_code == 201
    return f"{delivery.inbox.url}/sms/{delivery.inbox.shorts.ids('sms')[-1]}"


def push_to(delivery: Delivery, token: str) -> str:
    message = {"token": token, "notification": {"title": "A push", "body": "Words."}, "data": {"message_id": OWN_ID}}
    kept = delivery.inbox.shorts.add("push", "fcm", Received("0:1", message, {}))
    return f"{delivery.inbox.url}/push/{kept.id}"


def press(page: str, event: str, after: int = 0) -> dict[str, Any]:
    answer = httpx.post(
        f"{page}/callbacks", data={"event": event, "after": str(after)}, headers={"accept": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        ("delivered", f"{OWN_ID} delivered"),
        ("bounce", f"{OWN_ID} bounced, stops: bounced"),
        ("soft-bounce", f"{OWN_ID} bounced, stops: bounced_softly"),
        ("complain", f"{OWN_ID} complained, stops: complained"),
    ],
)
def test_button_of_a_mail_calls_back_as_resend_does(delivery: Delivery, door: Door, event: str, heard: str):
    assert press(mail_to(delivery, "jane@example.org"), event)["answer"].startswith("204")
    assert door.heard == [heard]


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        ("delivered", f"{OWN_ID} delivered"),
        ("undelivered", f"{OWN_ID} bounced, stops: bounced_softly"),
        ("stop", "+15555550100 stop"),
        ("start", "+15555550100 start"),
    ],
)
def test_button_of_a_text_calls_back_as_twilio_does(delivery: Delivery, door: Door, event: str, heard: str):
    assert press(text_to(delivery, "+15555550100"), event)["answer"].startswith("204")
    assert door.heard == [heard]
    assert ("+15555550100" in delivery.twilio.unsubscribed) is (event == "stop"), "Twilio itself refuses from now on"


def test_token_whose_app_was_removed_is_refused_until_it_is_installed_again(delivery: Delivery, door: Door):
    page = push_to(delivery, "a-device-token")
    press(page, "unregister")
    assert delivery.fcm.unregistered == {"a-device-token"}
    press(page, "register")
    assert not delivery.fcm.unregistered
    assert door.heard == [], "FCM calls nobody back"


@pytest.mark.parametrize(
    ("to", "heard"),
    [
        ("bounce@example.org", "bounced, stops: bounced"),
        ("Bounce+twice@example.org", "bounced, stops: bounced"),
        ("complain@example.org", "complained, stops: complained"),
        ("late@example.org", "delivered"),
        ("+15005550102", "bounced, stops: bounced_softly"),
        ("+15005550104", "delivered"),
    ],
)
def test_recipient_that_asks_for_it_gets_it_without_a_click(
    delivery: Delivery, door: Door, clock: VirtualClock, to: str, heard: str
):
    page = text_to(delivery, to) if to.startswith("+") else mail_to(delivery, to)
    clock.advance(minutes=11)
    until_played(page)
    assert door.heard == [f"{OWN_ID} {heard}"]


def until_played(page: str) -> None:
    """Wait until nothing is due any more; the thread that plays it looks at the clock now and then."""
    for _ in range(2_000):
        shown = httpx.get(page).text
        if "204: the API has stored it" in shown:
            return
    pytest.fail(shown)


def test_mail_that_was_turned_to_another_address_is_found_by_the_one_it_is_meant_for(delivery: Delivery, door: Door):
    link = "https://api.singr.example/v1/unsubscribe/" + "a-token-of-some-length" * 8
    page = mail_to(
        delivery, "me@example.net", {"X-Singr-Meant-For": "bounce@example.org", "List-Unsubscribe": f"<{link}>"}
    )
    mail = delivery.inbox.wait(to="bounce@example.org")
    assert mail.message["List-Unsubscribe"] == f"<{link}>"
    assert f"<{link}>".encode() in mail.raw, "as a mailbox gets it, in one piece"
    until_played(page)
    assert "bounce@example.org" in httpx.get(page).text
    assert door.heard == [f"{OWN_ID} bounced, stops: bounced"]


def test_late_callback_comes_at_its_time_and_the_page_says_when(delivery: Delivery, door: Door, clock: VirtualClock):
    page = mail_to(delivery, "jane@example.org")
    press(page, "delivered", after=600)
    assert "unless make run ends before" in httpx.get(page).text
    clock.advance(minutes=9)
    assert door.heard == []
    clock.advance(minutes=2)
    until_played(page)
    assert door.heard == [f"{OWN_ID} delivered"]


def test_answer_of_an_api_that_refuses_or_is_away_is_shown(delivery: Delivery, door: Door):
    page, callbacks = mail_to(delivery, "jane@example.org"), delivery.inbox.callbacks
    assert callbacks is not None
    others = {"resend_secret": "whsec_b3RoZXJz", "twilio": delivery.twilio, "fcm": delivery.fcm, "address": OUTSIDE}
    delivery.inbox.callbacks = Callbacks(api=door.url, **others)
    assert "no signature fits" in press(page, "bounce")["answer"]
    delivery.inbox.callbacks = Callbacks(api="http://127.0.0.1:1", **others)
    assert "did not answer" in press(page, "bounce")["answer"]
    delivery.inbox.callbacks = Callbacks(api=door.url, **others | {"resend_secret": "whsec_a"})
    assert "could not be played" in press(page, "bounce")["answer"]
    assert door.heard == []


def test_site_elsewhere_and_wrong_wishes_play_nothing(delivery: Delivery, door: Door):
    page = f"{mail_to(delivery, 'jane@example.org')}/callbacks"
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {"origin": "null"}):
        assert httpx.post(page, data={"event": "bounce"}, headers=headers).status_code == 403
    link = httpx.get(delivery.inbox.url, headers={"sec-fetch-site": "cross-site", "origin": "http://evil.example"})
    assert link.status_code == 200, "a link may lead here"
    for wrong in ({"event": "stop"}, {"event": "bounce", "after": "5"}, {}):
        assert httpx.post(page, data=wrong).status_code == 400
    assert door.heard == []


def test_mail_by_smtp_says_that_nobody_is_called_back(delivery: Delivery, door: Door):
    forged = b"X-Singr-Provider: resend\r\nSubject: By SMTP\r\n\r\nWords."
    name = delivery.inbox.store.add(forged, ["bounce@example.org"], "joe@example.org")
    page = f"{delivery.inbox.url}/mail/{name}"
    assert "came by SMTP" in httpx.get(page).text
    assert httpx.post(f"{page}/callbacks", data={"event": "bounce"}).status_code == 400
    assert door.heard == []


@pytest.mark.xdist_group("browser")
async def test_each_button_can_be_pressed_by_keyboard_and_its_answer_is_read_out(
    delivery: Delivery, door: Door, browser: Browser
):
    tab = await browser.page()
    expected = {"mail": 4, "sms": 4, "push": 2}
    pages = (
        mail_to(delivery, "jane@example.org"),
        text_to(delivery, "+15555550100"),
        push_to(delivery, "a-device-token"),
    )
    for address, number in zip(pages, expected.values(), strict=True):
        await tab.open(address)
        for position in range(number):
            button = f"[...document.querySelectorAll('button')][{position}]"
            await tab.wait_for(f"location.href.startsWith('{address}') && {button}")
            said = await tab.run(f"{button}.focus(), {button}.textContent")
            await tab.command("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r")
            told = f"[...document.querySelectorAll('[aria-live] .told:first-of-type > li')][{position}]?.textContent"
            await tab.wait_for(f"({told})?.includes('{said}: ')")
    assert len(door.heard) == 8
    # what arrives while the list is open shows up by itself, and the focus stays where it was
    await tab.open(f"{delivery.inbox.url}/?channel=sms")
    await tab.wait_for("location.search === '?channel=sms' && document.querySelector('main a')")
    first = await tab.run("(document.querySelector('main a').focus(), document.activeElement.href)")
    text_to(delivery, "+15555550177")
    await tab.wait_for("document.querySelector('main').textContent.includes('+15555550177')")
    assert await tab.run("document.activeElement.href") == first
    assert tab.complaints == []
