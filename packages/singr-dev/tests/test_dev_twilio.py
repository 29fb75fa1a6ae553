"""The Twilio simulator refuses what Twilio refuses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl

import httpx
import pytest
from loguru import logger

from singr_dev.simulators import Received, TwilioSimulator, twilio
from singr_dev.simulators._sms_segments import segments
from singr_dev.simulators.callbacks import twilio_signature

SERVICE = "MG" + "0" * 32


@pytest.fixture(scope="module")
def served() -> Iterator[TwilioSimulator]:
    with twilio.serve(messaging_services=[SERVICE], unsubscribed=["+15555550199"]) as simulator:
        yield simulator


@pytest.fixture
def simulator(served: TwilioSimulator) -> TwilioSimulator:
    served.reset()
    return served


def send(simulator: TwilioSimulator, **changes: str) -> httpx.Response:
    fields = {"To": "+15555550100", "From": "+15005550006", "Body": "Hello"} | changes
    return httpx.post(
        f"{simulator.base_url}/2010-04-01/Accounts/{simulator.account_sid}/Messages.json",
        data={name: value for name, value in fields.items() if value},
        auth=(simulator.account_sid, simulator.auth_token),
    )


def test_accepted_message_is_queued_and_can_be_fetched(simulator: TwilioSimulator):
    answer = send(simulator)
    assert answer.status_code == 201
    resource = answer.json()
    assert resource["status"] == "queued"
    assert resource["num_segments"] == "1"
    assert resource["error_code"] is None
    assert [item.id for item in simulator.received] == [resource["sid"]]
    assert simulator.received[0].message["Body"] == "Hello"
    auth = (simulator.account_sid, simulator.auth_token)
    fetched = httpx.get(f"{simulator.base_url}{resource['uri']}", auth=auth)
    assert fetched.json()["sid"] == resource["sid"]
    assert fetched.json()["status"] in {"queued", "sent", "delivered"}
    missing = httpx.get(f"{simulator.base_url}{resource['uri']}".replace("SM", "SM0", 1), auth=auth)
    assert (missing.status_code, missing.json()["code"]) == (404, 20404)


def test_message_is_taken_and_shown_though_one_that_listens_fails(simulator: TwilioSimulator):
    heard: list[str] = []
    said: list[str] = []

    def fails(_received: Received) -> None:
        raise OSError("the inbox is full")

    simulator.listeners += (fails, lambda received: heard.append(received.id))
    sink = logger.add(lambda line: said.append(str(line)), level="ERROR")
    try:
        answer = send(simulator)
    finally:
        simulator.listeners.clear()
        logger.remove(sink)
    assert answer.status_code == 201
    sid = answer.json()["sid"]
    shown = httpx.get(f"{simulator.base_url}/_control/received").json()["received"]
    assert ([one["id"] for one in shown], heard) == ([sid], [sid])
    [line] = said
    assert f"TwilioSimulator failed at {sid}" in line
    assert "the inbox is full" in line


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "a" * 1601}, 21617),
        ({"To": "5555550100"}, 21211),
        ({"To": "+0555550100"}, 21211),
        ({"To": "+1555555010\uff10"}, 21211),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550009"}, 21614),
        ({"From": "Singr"}, 21212),
        ({"From": "+15555550111"}, 21606),
        ({"To": "+15005550006"}, 21266),
        ({"To": "+15555550199"}, 21610),
        ({"From": "", "MessagingServiceSid": "MG" + "1" * 32}, 21705),
        ({"StatusCallback": "not a url"}, 21609),
        ({"Bodi": "typo"}, 20001),
    ],
)
def test_faulty_message_gets_twilios_error(simulator: TwilioSimulator, changes: dict[str, str], code: int):
    answer = send(simulator, **changes)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["code"], problem["status"]) == (code, 400)
    assert problem["more_info"].endswith(str(code))
    assert problem["message"]
    assert not simulator.received


def test_trial_account_writes_to_verified_numbers_only():
    with twilio.serve(verified=["+15555550101"]) as simulator:
        assert send(simulator).json()["code"] == 21608
        assert send(simulator, To="+15555550101").status_code == 201


def test_wrong_credentials_are_refused(simulator: TwilioSimulator):
    url = f"{simulator.base_url}/2010-04-01/Accounts/{simulator.account_sid}/Messages.json"
    for auth in (None, (simulator.account_sid, "wrong"), ("AC" + "0" * 32, simulator.auth_token)):
        answer = httpx.post(url, data={"To": "+15555550100"}, auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_messaging_service_takes_the_place_of_a_number(simulator: TwilioSimulator):
    answer = send(simulator, From="", MessagingServiceSid=SERVICE)
    assert answer.status_code == 201
    assert answer.json()["status"] == "accepted"
    assert answer.json()["from"] is None


def test_longest_body_is_accepted_and_counted_in_segments(simulator: TwilioSimulator):
    assert send(simulator, Body="a" * 1600).json()["num_segments"] == "11"


@pytest.mark.parametrize(
    ("text", "number"),
    [("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("я" * 70, 1), ("я" * 71, 2), ("🎤" * 35, 1)],
)
def test_segments_follow_the_alphabet(text: str, number: int):
    assert segments(text) == number


def test_status_callbacks_are_signed_and_in_order(simulator: TwilioSimulator):
    seen: list[tuple[str, str, dict[str, str]]] = []
    both = threading.Event()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            seen.append((self.path, self.headers["X-Twilio-Signature"], dict(parse_qsl(body))))
            self.send_response(204)
            self.end_headers()
            if len(seen) == 2:
                both.set()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/callback?a=1"
        sid = send(simulator, StatusCallback=url).json()["sid"]
        assert both.wait(10)
        server.shutdown()
        thread.join()
    assert [fields["MessageStatus"] for _, _, fields in seen] == ["sent", "delivered"]
    for _, signature, fields in seen:
        assert fields["MessageSid"] == sid
        assert signature == twilio_signature(simulator.auth_token, url, fields)


def test_accept_then_drop_counts_the_message_and_answers_nothing(simulator: TwilioSimulator):
    simulator.accept_then_drop_next()
    with pytest.raises(httpx.RemoteProtocolError):
        send(simulator)
    assert len(simulator.received) == 1


def test_failures_have_twilios_body_and_retry_after(simulator: TwilioSimulator):
    simulator.fail_next(status=429, retry_after=0.5)
    answer = send(simulator)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, 20429, "1")
    assert not simulator.received
    assert send(simulator).status_code == 201


# --- lists -----------------------------------------------------------------------------------------------------------


def listed(simulator: TwilioSimulator, **query: str | int) -> httpx.Response:
    url = f"{simulator.base_url}/2010-04-01/Accounts/{simulator.account_sid}/Messages.json"
    return httpx.get(url, params=query, auth=(simulator.account_sid, simulator.auth_token))


def test_messages_are_listed_by_recipient_page_by_page_newest_first(simulator: TwilioSimulator):
    for body in ("one", "two", "three"):
        send(simulator, Body=body)
    send(simulator, To="+15555550101")
    first = listed(simulator, To="+15555550100", PageSize=2).json()
    assert [one["body"] for one in first["messages"]] == ["three", "two"]
    rest = httpx.get(
        f"{simulator.base_url}{first['next_page_uri']}", auth=(simulator.account_sid, simulator.auth_token)
    )
    assert [one["body"] for one in rest.json()["messages"]] == ["one"]
    assert rest.json()["next_page_uri"] is None


def test_list_by_day_leaves_out_what_was_sent_on_no_day(simulator: TwilioSimulator):
    simulator.queueing = True
    send(simulator)
    simulator.queueing = False
    assert listed(simulator, To="+15555550100", **{"DateSent>": "2000-01-01"}).json()["messages"] == []
    assert len(listed(simulator, To="+15555550100").json()["messages"]) == 1


@pytest.mark.parametrize("query", [{"DateSent": "yesterday"}, {"PageSize": 0}, {"Recipient": "x"}])
def test_list_with_a_parameter_that_is_none_is_refused(simulator: TwilioSimulator, query: dict[str, str | int]):
    assert listed(simulator, **query).status_code == 400


def test_message_that_was_taken_can_be_answered_with_an_error(simulator: TwilioSimulator):
    simulator.accept_then_fail_next(503)
    assert send(simulator).status_code == 503
    assert len(simulator.received) == len(listed(simulator).json()["messages"]) == 1
