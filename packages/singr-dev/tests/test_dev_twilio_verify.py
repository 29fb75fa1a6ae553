"""The simulated Verify service refuses what Twilio refuses, and forgets what Twilio forgets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from singr_dev.simulators import TwilioSimulator, twilio

PHONE = "+15555550100"


@pytest.fixture(scope="module")
def served() -> Iterator[TwilioSimulator]:
    with twilio.serve() as simulator:
        yield simulator


@pytest.fixture
def simulator(served: TwilioSimulator) -> TwilioSimulator:
    served.reset()
    return served


def post(simulator: TwilioSimulator, resource: str, fields: dict[str, str], **options: object) -> httpx.Response:
    service = options.get("service", simulator.verify_services[0])
    auth = options.get("auth", (simulator.account_sid, simulator.auth_token))
    return httpx.post(f"{simulator.base_url}/v2/Services/{service}/{resource}", data=fields, auth=auth)


def start(simulator: TwilioSimulator, **changes: str) -> httpx.Response:
    return post(simulator, "Verifications", {"To": PHONE, "Channel": "sms"} | changes)


def check(simulator: TwilioSimulator, code: str, **changes: str) -> httpx.Response:
    return post(simulator, "VerificationCheck", {"To": PHONE, "Code": code} | changes)


def wrong(simulator: TwilioSimulator) -> str:
    return "000000" if simulator.code_for(PHONE) != "000000" else "000001"


def is_gone(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_code_that_was_sent_is_approved_once(simulator: TwilioSimulator):
    answer = start(simulator)
    assert answer.status_code == 201
    started = answer.json()
    assert (started["status"], started["valid"], started["to"], started["channel"]) == ("pending", False, PHONE, "sms")
    assert started["sid"].startswith("VE")
    (received,) = simulator.received
    code = simulator.code_for(PHONE)
    assert len(code) == 6
    assert code in received.message["Body"]
    approved = check(simulator, code)
    assert approved.status_code == 200
    assert (approved.json()["status"], approved.json()["valid"]) == ("approved", True)
    assert approved.json()["sid"] == started["sid"]
    assert is_gone(check(simulator, code))


def test_codes_differ(simulator: TwilioSimulator):
    for number in range(20):
        start(simulator, To=f"+155555501{number:02d}")
    assert len({simulator.code_for(f"+155555501{number:02d}") for number in range(20)}) > 15


def test_wrong_code_leaves_the_verification_open_four_times_and_ends_it_the_fifth(simulator: TwilioSimulator):
    start(simulator)
    code = simulator.code_for(PHONE)
    for _ in range(5):
        answer = check(simulator, wrong(simulator))
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["valid"]) == ("pending", False)
    assert is_gone(check(simulator, code))


def test_code_of_many_checks_at_once_is_approved_once(simulator: TwilioSimulator):
    start(simulator)
    code = simulator.code_for(PHONE)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: check(simulator, code), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 7]


def test_code_is_gone_after_ten_minutes(simulator: TwilioSimulator):
    start(simulator)
    code = simulator.code_for(PHONE)
    simulator.expire_verifications()
    assert is_gone(check(simulator, code))


def test_number_that_was_sent_nothing_has_nothing_to_check(simulator: TwilioSimulator):
    assert is_gone(check(simulator, "123456"))


def test_same_code_is_sent_again_five_times_and_no_more(simulator: TwilioSimulator):
    codes = set()
    for number in range(5):
        answer = start(simulator, Channel="call" if number % 2 else "sms")
        assert answer.status_code == 201
        assert len(answer.json()["send_code_attempts"]) == number + 1
        codes.add(simulator.code_for(PHONE))
    assert len(codes) == 1
    refused = start(simulator)
    assert (refused.status_code, refused.json()["code"]) == (429, 60203)
    assert len(simulator.received) == 5
    assert start(simulator, To="+15555550101").status_code == 201
    check(simulator, codes.pop())
    assert start(simulator).status_code == 201, "the verification is complete, so a new one begins"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"To": ""}, 400, 20001),
        ({"Channel": ""}, 400, 20001),
        ({"To": "5555550100"}, 400, 60200),
        ({"To": "+1555555010\uff10"}, 400, 60200),
        ({"Channel": "fax"}, 400, 60200),
        ({"To": "+15005550009"}, 403, 60205),
        ({"Chanel": "sms"}, 400, 20001),
    ],
)
def test_faulty_start_gets_twilios_error(simulator: TwilioSimulator, changes: dict[str, str], status: int, code: int):
    answer = start(simulator, **changes)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    assert not simulator.received


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"Code": ""}, 20001), ({"Code": "123"}, 60200), ({"Code": "12345678901"}, 60200), ({"To": ""}, 60200)],
)
def test_faulty_check_gets_twilios_error_and_costs_no_try(
    simulator: TwilioSimulator, changes: dict[str, str], code: int
):
    start(simulator)
    for _ in range(6):
        answer = check(simulator, "123456", **changes)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert check(simulator, simulator.code_for(PHONE)).json()["status"] == "approved"


def test_wrong_credentials_and_unknown_services_are_refused(simulator: TwilioSimulator):
    fields = {"To": PHONE, "Channel": "sms"}
    for auth in (None, (simulator.account_sid, "wrong")):
        answer = post(simulator, "Verifications", fields, auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert is_gone(post(simulator, "Verifications", fields, service="VA" + "0" * 32))
    assert not simulator.received


def test_failed_and_unfinished_requests_change_nothing(simulator: TwilioSimulator):
    simulator.fail_next(status=503)
    assert start(simulator).json()["code"] == 20503
    assert is_gone(check(simulator, "123456"))
    start(simulator)
    code = simulator.code_for(PHONE)
    simulator.fail_next(status=429, retry_after=3)
    answer = check(simulator, code)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert check(simulator, code).json()["status"] == "approved"


def test_check_whose_answer_is_lost_was_counted(simulator: TwilioSimulator):
    start(simulator)
    code = simulator.code_for(PHONE)
    simulator.accept_then_drop_next()
    with pytest.raises(httpx.RemoteProtocolError):
        check(simulator, code)
    assert is_gone(check(simulator, code))


def test_environment_names_the_service(simulator: TwilioSimulator):
    assert simulator.environ["TWILIO_VERIFY_SERVICE_SID"] == simulator.verify_services[0]
    with twilio.serve(verify_services=()) as without:
        assert "TWILIO_VERIFY_SERVICE_SID" not in without.environ
