"""The Mailjet simulator refuses what Mailjet refuses."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from singr_dev._serving import serving
from singr_dev.simulators import MailjetSimulator, _simulator, mailjet

AUTH = ("mailjet-api-key", "mailjet-secret-key")


@pytest.fixture(scope="module")
def served() -> Iterator[MailjetSimulator]:
    with mailjet.serve(senders=["noreply@singrkaraoke.com", "*@venue.example"], templates=[17]) as simulator:
        yield simulator


@pytest.fixture
def simulator(served: MailjetSimulator) -> MailjetSimulator:
    served.reset()
    return served


def message(**changes: Any) -> dict[str, Any]:
    sent = {
        "From": {"Email": "noreply@singrkaraoke.com", "Name": "Singr"},
        "To": [{"Email": "jane@example.org", "Name": "Jane"}],
        "Subject": "Hello",
        "TextPart": "Hello",
        "CustomID": "token-1",
    }
    return {name: value for name, value in (sent | changes).items() if value is not None}


def send(simulator: MailjetSimulator, *messages: Any, timeout: float = 10, **root: Any) -> httpx.Response:
    body = {"Messages": list(messages)} | root
    return httpx.post(f"{simulator.base_url}/v3.1/send", json=body, auth=AUTH, timeout=timeout)


def test_simulator_knows_its_address_before_anybody_is_answered(monkeypatch: pytest.MonkeyPatch):
    known: list[str] = []

    @contextmanager
    def noting(simulator: MailjetSimulator, *, listener: socket.socket) -> Iterator[str]:
        known.append(simulator.environ["MAILJET_BASE_URL"])
        with serving(simulator, listener=listener) as address:
            yield address

    monkeypatch.setattr(_simulator, "serving", noting)
    with MailjetSimulator().serve() as simulator:
        assert known == [simulator.base_url]


def test_accepted_message_gets_its_ids(simulator: MailjetSimulator):
    answer = send(simulator, message())
    assert answer.status_code == 200
    [shown] = answer.json()["Messages"]
    assert shown["Status"] == "success"
    assert shown["CustomID"] == "token-1"
    [recipient] = shown["To"]
    assert recipient["Email"] == "jane@example.org"
    assert recipient["MessageID"] > 0
    assert recipient["MessageUUID"]
    assert recipient["MessageHref"].endswith(str(recipient["MessageID"]))
    assert [item.id for item in simulator.received] == [str(recipient["MessageID"])]
    assert simulator.received[0].message["Subject"] == "Hello"


@pytest.mark.parametrize("auth", [None, ("mailjet-api-key", "wrong"), ("wrong", "mailjet-secret-key")])
def test_wrong_credentials_are_refused(simulator: MailjetSimulator, auth: tuple[str, str] | None):
    answer = httpx.post(f"{simulator.base_url}/v3.1/send", json={"Messages": [message()]}, auth=auth)
    assert answer.status_code == 401
    assert answer.json()["ErrorCode"] == "mj-0015"
    assert not simulator.received


@pytest.mark.parametrize(
    ("changes", "code", "related"),
    [
        ({"From": None}, "mj-0003", "From"),
        ({"From": {"Email": "stranger@example.org"}}, "send-0008", "From"),
        ({"From": {"Email": "no address"}}, "mj-0013", "From.Email"),
        ({"To": None}, "mj-0003", "To"),
        ({"To": []}, "mj-0007", "To"),
        ({"To": {"Email": "jane@example.org"}}, "mj-0004", "To"),
        ({"To": [{"Email": ""}]}, "mj-0012", "To[0].Email"),
        ({"To": [{"Email": "jane.@example.org"}]}, "mj-0013", "To[0].Email"),
        ({"To": [{"Email": "jane@example.org", "Name": "a\r\nBcc: x@y.org"}]}, "mj-0005", "To[0].Name"),
        ({"To": [{"Email": f"p{n}@example.org"} for n in range(51)]}, "send-0015", "To"),
        ({"TextPart": None}, "send-0003", "TextPart"),
        ({"TemplateID": 17}, "send-0004", "TemplateID"),
        ({"TemplateID": 18, "TextPart": None}, "send-0010", "TemplateID"),
        ({"TemplateID": "17", "TextPart": None}, "mj-0004", "TemplateID"),
        ({"TemplateErrorDeliver": True}, "send-0016", "TemplateLanguage"),
        ({"Subject": "a" * 256}, "mj-0006", "Subject"),
        ({"Subject": "a\nBcc: x@y.org"}, "mj-0005", "Subject"),
        ({"Headers": {"Reply-To": "x@y.org"}}, "send-0011", 'Headers["Reply-To"]'),
        ({"TrackOpens": "maybe"}, "mj-0005", "TrackOpens"),
        ({"DeduplicateCampaign": True}, "send-0012", "CustomCampaign"),
        ({"Attachments": [{"Filename": "a"}]}, "mj-0003", "Attachments[0]"),
    ],
)
def test_faulty_message_gets_mailjets_error(
    simulator: MailjetSimulator, changes: dict[str, Any], code: str, related: str
):
    answer = send(simulator, message(**changes))
    assert answer.status_code == (403 if code == "send-0008" else 400)
    [shown] = answer.json()["Messages"]
    assert shown["Status"] == "error"
    assert code in {item["ErrorCode"] for item in shown["Errors"]}
    assert related in {name for item in shown["Errors"] for name in item["ErrorRelatedTo"]}
    assert all({"ErrorIdentifier", "StatusCode", "ErrorMessage"} <= item.keys() for item in shown["Errors"])
    assert not simulator.received


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "mj-0002"),
        (b"{}", "mj-0003"),
        (b'{"Messages": []}', "mj-0007"),
        (b'{"Messages": [{"Unknown": 1}]}', "mj-0002"),
        (b'{"Messages": [], "Unknown": 1}', "mj-0002"),
    ],
)
def test_faulty_request_is_refused_as_a_whole(simulator: MailjetSimulator, body: bytes, code: str):
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{simulator.base_url}/v3.1/send", content=body, auth=AUTH, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["ErrorCode"] == code


def test_bulk_takes_fifty_and_no_more(simulator: MailjetSimulator):
    assert send(simulator, *[message()] * 50).status_code == 200
    assert len(simulator.received) == 50
    answer = send(simulator, *[message()] * 51)
    assert answer.json()["ErrorCode"] == "mj-0008"
    assert len(simulator.received) == 50


def test_one_faulty_message_does_not_stop_the_others(simulator: MailjetSimulator):
    answer = send(simulator, message(), message(To=[{"Email": "nobody"}]), message(CustomID="token-3"))
    assert [item["Status"] for item in answer.json()["Messages"]] == ["success", "error", "success"]
    assert [item.message["CustomID"] for item in simulator.received] == ["token-1", "token-3"]


def test_template_with_variables_is_accepted(simulator: MailjetSimulator):
    sent = message(TextPart=None, Subject=None, TemplateID=17, TemplateLanguage=True, Variables={"user_name": "Jane"})
    assert send(simulator, sent).status_code == 200
    assert simulator.received[0].message["Variables"] == {"user_name": "Jane"}


def test_validated_domain_covers_its_addresses(simulator: MailjetSimulator):
    assert send(simulator, message(From={"Email": "Bar@Venue.example"})).status_code == 200


def test_sandbox_checks_and_delivers_nothing(simulator: MailjetSimulator):
    [shown] = send(simulator, message(), SandboxMode=True).json()["Messages"]
    assert shown["To"][0]["MessageID"] == 0
    assert shown["To"][0]["MessageUUID"] == ""
    assert not simulator.received
    assert len(simulator.sandboxed) == 1
    assert send(simulator, message(TextPart=None), SandboxMode=True).status_code == 400


def test_message_sent_twice_is_counted_as_duplicate(simulator: MailjetSimulator):
    send(simulator, message())
    assert simulator.duplicates == []
    send(simulator, message())
    assert simulator.duplicates == ["token-1"]


def test_failures_come_as_often_as_planned_with_retry_after(simulator: MailjetSimulator):
    simulator.fail_next(status=429, times=2, retry_after=3)
    answers = [send(simulator, message()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "3"
    assert len(simulator.received) == 1
    assert simulator.requests == 3


def test_accept_then_drop_counts_the_message_and_answers_nothing(simulator: MailjetSimulator):
    simulator.accept_then_drop_next()
    with pytest.raises(httpx.RemoteProtocolError):
        send(simulator, message())
    assert len(simulator.received) == 1
    assert send(simulator, message()).status_code == 200


def test_caller_that_gives_up_on_a_hanging_provider_has_sent_nothing(simulator: MailjetSimulator):
    """Nor once the time is over for which it hangs: that of the second one ends after that of the first."""
    simulator.hang_next(seconds=0.6)
    simulator.hang_next(seconds=0.6, accept=True)
    with pytest.raises(httpx.ReadTimeout):
        send(simulator, message(), timeout=0.2)
    assert send(simulator, message(CustomID="next"), timeout=60).status_code == 200
    assert [item.message["CustomID"] for item in simulator.received] == ["next"]


def test_other_processes_steer_it_over_http(simulator: MailjetSimulator):
    control = f"{simulator.base_url}/_control"
    assert httpx.post(f"{control}/fail_next", json={"status": 500, "times": 1}).status_code == 204
    assert send(simulator, message()).status_code == 500
    send(simulator, message())
    seen = httpx.get(f"{control}/received").json()
    assert [item["message"]["Subject"] for item in seen["received"]] == ["Hello"]
    assert seen["requests"] == 2
    assert httpx.post(f"{control}/fail_next", json={"unknown": 1}).status_code == 400
    assert httpx.post(f"{control}/explode").status_code == 404
    assert httpx.post(f"{control}/reset").status_code == 204
    assert not simulator.received


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:8029"}, 421),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
    ],
)
def test_page_elsewhere_neither_reads_nor_steers_it(simulator: MailjetSimulator, headers: dict[str, str], status: int):
    send(simulator, message())
    control = f"{simulator.base_url}/_control"
    assert httpx.get(f"{control}/received", headers=headers).status_code == status
    assert httpx.post(f"{control}/reset", headers=headers).status_code == status
    url, auth = f"{simulator.base_url}/v3/REST/message", (simulator.api_key, simulator.secret_key)
    assert httpx.get(url, auth=auth, headers=headers).status_code == status, "its keys are known to everybody"
    assert len(simulator.received) == 1
    form = httpx.post(f"{control}/fail_next", content='{"status": 500}', headers={"content-type": "text/plain"})
    assert form.status_code == 415, "a page may send that without asking"
    own = {"origin": simulator.base_url, "sec-fetch-site": "same-origin"}
    assert httpx.post(f"{control}/reset", headers=own).status_code == 204


def test_what_was_taken_is_listed_by_custom_id(simulator: MailjetSimulator):
    for key in ("one", "two"):
        send(simulator, message(CustomID=key))
    url, auth = f"{simulator.base_url}/v3/REST/message", (simulator.api_key, simulator.secret_key)
    listed = httpx.get(url, params={"CustomID": "one", "ShowCustomID": "true"}, auth=auth).json()
    assert [row["CustomID"] for row in listed["Data"]] == ["one"]
    assert str(listed["Data"][0]["ID"]) == simulator.received[0].id
    assert httpx.get(url, auth=auth).json()["Count"] == 2
    assert httpx.get(url, params={"Recipient": "x"}, auth=auth).status_code == 400
    assert httpx.get(url).status_code == 401


def test_message_can_be_taken_and_answered_with_an_error(simulator: MailjetSimulator):
    control = f"{simulator.base_url}/_control"
    httpx.post(f"{control}/accept_then_fail_next", json={"status": 500})
    httpx.post(f"{control}/fail_look_ups", json={"status": 503})
    assert send(simulator, message()).status_code == 500
    assert len(simulator.received) == 1
    url, auth = f"{simulator.base_url}/v3/REST/message", (simulator.api_key, simulator.secret_key)
    assert [httpx.get(url, auth=auth).status_code for _ in range(2)] == [503, 200]
