"""Codes that are sent and checked elsewhere: Twilio Verify, and the console on a developer's machine."""

import asyncio
import logging
import re
from typing import Any

import httpx
import pytest
from comms_over_http import IMPATIENT, PATIENT, TRACE

from singr_comms import (
    AccountRefusedError,
    ConsoleVerify,
    InvalidMessageError,
    PermanentSendError,
    SendError,
    TransientError,
    TwilioVerify,
    UnknownOutcomeError,
    UnsafeProviderError,
)
from singr_config import AppEnv, Secret
from singr_dev.simulators import TwilioSimulator

PHONE = "+15555550100"


def verify_at(url: str, http: httpx.AsyncClient, simulator: TwilioSimulator, **changes: Any) -> TwilioVerify:
    options: dict[str, Any] = {
        "account_sid": simulator.account_sid,
        "auth_token": Secret(simulator.auth_token),
        "service_sid": simulator.verify_services[0],
        "trace_headers": lambda: TRACE,
        "deadline": PATIENT,
    }
    return TwilioVerify(http, base_url=url, **options | changes)


@pytest.fixture
def verify(twilio: TwilioSimulator, http: httpx.AsyncClient) -> TwilioVerify:
    return verify_at(twilio.base_url, http, twilio)


class Console:
    """A console verifier whose clock and log are at hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.verifier = ConsoleVerify(env=AppEnv.TEST, log=self.lines.append, clock=lambda: self.now)

    def code_for(self, _phone: str) -> str:
        return self.lines[-1].rpartition(" ")[2]

    def expire(self) -> None:
        self.now += 600


class Elsewhere:
    """Twilio, simulated."""

    def __init__(self, verifier: TwilioVerify, simulator: TwilioSimulator) -> None:
        self.verifier = verifier
        self.code_for = simulator.code_for
        self.expire = simulator.expire_verifications


@pytest.fixture(params=["twilio", "console"])
def bench(request: pytest.FixtureRequest, verify: TwilioVerify, twilio: TwilioSimulator) -> Any:
    return Console() if request.param == "console" else Elsewhere(verify, twilio)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


# --- what every verifier does ----------------------------------------------------------------------------------------


async def test_the_code_that_was_sent_is_right_once(bench: Any) -> None:
    await bench.verifier.start(PHONE)
    code = bench.code_for(PHONE)
    assert re.fullmatch(r"[0-9]{6}", code)
    assert await bench.verifier.check(PHONE, other_than(code)) is False
    assert await bench.verifier.check(PHONE, code) is True
    assert await bench.verifier.check(PHONE, code) is False


async def test_no_fixed_code_opens_anything(bench: Any) -> None:
    codes = set()
    for number in range(12):
        phone = f"+155555502{number:02d}"
        await bench.verifier.start(phone)
        codes.add(code := bench.code_for(phone))
        for fixed in ("123456", "000000", "111111", "", "0"):
            if fixed != code:
                assert await bench.verifier.check(phone, fixed) is False
    assert len(codes) > 8


async def test_a_code_is_one_numbers(bench: Any) -> None:
    await bench.verifier.start(PHONE)
    code = bench.code_for(PHONE)
    assert await bench.verifier.check("+15555550101", code) is False
    assert await bench.verifier.check(PHONE, code) is True


async def test_five_tries_are_all_there_are(bench: Any) -> None:
    await bench.verifier.start(PHONE)
    code = bench.code_for(PHONE)
    for _ in range(5):
        assert await bench.verifier.check(PHONE, other_than(code)) is False
    assert await bench.verifier.check(PHONE, code) is False


async def test_a_code_expires(bench: Any) -> None:
    await bench.verifier.start(PHONE)
    code = bench.code_for(PHONE)
    bench.expire()
    assert await bench.verifier.check(PHONE, code) is False


async def test_of_many_checks_at_once_one_is_right(bench: Any) -> None:
    await bench.verifier.start(PHONE)
    code = bench.code_for(PHONE)
    answers = await asyncio.gather(*(bench.verifier.check(PHONE, code) for _ in range(10)))
    assert answers.count(True) == 1


@pytest.mark.parametrize(
    "code", ["", "12 456", "\N{FULLWIDTH DIGIT ONE}23456", "abcdef", "1" * 11, "123456\n", "\ud800", "12345é"]
)
async def test_what_is_no_code_is_wrong_and_not_a_crash(bench: Any, code: str) -> None:
    await bench.verifier.start(PHONE)
    assert await bench.verifier.check(PHONE, code) is False
    assert await bench.verifier.check(PHONE, bench.code_for(PHONE)) is True


@pytest.mark.parametrize("phone", ["", "5555550100", "+1 555 555 0100", "+15555550100\n", "jane@example.org"])
async def test_what_is_no_number_is_refused_before_anything_is_sent(
    bench: Any, twilio: TwilioSimulator, phone: str
) -> None:
    with pytest.raises(InvalidMessageError):
        await bench.verifier.start(phone)
    with pytest.raises(InvalidMessageError):
        await bench.verifier.check(phone, "123456")
    assert twilio.requests == 0


# --- Twilio ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["sms", "call"])
async def test_twilio_is_asked_by_the_channel_and_with_the_trace(
    verify: TwilioVerify, twilio: TwilioSimulator, channel: Any
) -> None:
    await verify.start(PHONE, channel=channel)
    (received,) = twilio.received
    assert (received.message["To"], received.message["Channel"]) == (PHONE, channel)
    assert received.headers["x-request-id"] == "req-1"
    assert received.headers["traceparent"] == TRACE["traceparent"]


async def test_a_sixth_code_within_ten_minutes_is_refused_for_now(verify: TwilioVerify) -> None:
    for _ in range(5):
        await verify.start(PHONE)
    with pytest.raises(TransientError) as caught:
        await verify.start(PHONE)
    assert caught.value.code == "twilio_60203"


async def test_a_landline_is_refused_for_good(verify: TwilioVerify) -> None:
    with pytest.raises(PermanentSendError) as caught:
        await verify.start("+15005550009")
    assert caught.value.code == "twilio_60205"


async def ask(verify: TwilioVerify, what: str) -> Any:
    return await (verify.start(PHONE) if what == "start" else verify.check(PHONE, "123456"))


both = pytest.mark.parametrize("what", ["start", "check"])


@both
async def test_wrong_credentials_are_an_error_and_never_a_wrong_code(
    twilio: TwilioSimulator, http: httpx.AsyncClient, what: str
) -> None:
    verify = verify_at(twilio.base_url, http, twilio, auth_token=Secret("canary-token"))
    with pytest.raises(AccountRefusedError) as caught:
        await ask(verify, what)
    assert caught.value.code == "twilio_20003"
    assert "canary-token" not in str(caught.value)


async def test_an_unknown_service_is_an_error_at_the_start(twilio: TwilioSimulator, http: httpx.AsyncClient) -> None:
    verify = verify_at(twilio.base_url, http, twilio, service_sid="VA" + "0" * 32)
    with pytest.raises(AccountRefusedError) as caught:
        await verify.start(PHONE)
    assert caught.value.code == "twilio_20404"


@both
async def test_nobody_listening_is_an_error(twilio: TwilioSimulator, http: httpx.AsyncClient, what: str) -> None:
    with pytest.raises(TransientError):
        await ask(verify_at("http://127.0.0.1:1", http, twilio), what)


@both
async def test_no_answer_in_time_is_an_error(twilio: TwilioSimulator, http: httpx.AsyncClient, what: str) -> None:
    verify = verify_at(twilio.base_url, http, twilio, deadline=IMPATIENT)
    twilio.hang_next()
    async with asyncio.timeout(PATIENT):
        with pytest.raises(UnknownOutcomeError) as caught:
            await ask(verify, what)
    assert caught.value.code == "timeout"


@both
async def test_a_cut_connection_is_an_error(verify: TwilioVerify, twilio: TwilioSimulator, what: str) -> None:
    await verify.start(PHONE)
    twilio.accept_then_drop_next()
    with pytest.raises(UnknownOutcomeError):
        await ask(verify, what)


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, TransientError), (503, TransientError), (500, UnknownOutcomeError), (502, UnknownOutcomeError)],
)
async def test_a_service_in_trouble_is_an_error_and_never_a_wrong_code(
    verify: TwilioVerify, twilio: TwilioSimulator, what: str, status: int, kind: type[SendError]
) -> None:
    twilio.fail_next(status=status, retry_after=7)
    with pytest.raises(kind) as caught:
        await ask(verify, what)
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == 7


async def test_a_check_whose_answer_was_lost_does_not_let_the_code_pass_again(
    verify: TwilioVerify, twilio: TwilioSimulator
) -> None:
    await verify.start(PHONE)
    code = twilio.code_for(PHONE)
    twilio.accept_then_drop_next()
    with pytest.raises(UnknownOutcomeError):
        await verify.check(PHONE, code)
    assert await verify.check(PHONE, code) is False


APPROVED = {"status": "approved", "valid": True, "to": PHONE}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        b"<html>approved</html>",
        b"[]",
        {"status": "pending", "valid": True, "to": PHONE},
        {"status": "approved", "valid": False, "to": PHONE},
        {"status": "approved", "valid": "true", "to": PHONE},
        {"status": "approved", "to": PHONE},
        {"status": "approved", "valid": True, "to": "+15555550101"},
        {"status": "APPROVED", "valid": True, "to": PHONE},
    ],
)
async def test_only_a_plain_approval_of_this_number_is_believed(
    raw_server: Any, http: httpx.AsyncClient, twilio: TwilioSimulator, answer: Any
) -> None:
    verify = verify_at(raw_server.url, http, twilio)
    raw_server.answers = [(200, {}, APPROVED), (200, {}, answer)]
    assert await verify.check(PHONE, "123456") is True
    assert await verify.check(PHONE, "123456") is False


async def test_twilios_other_word_for_too_many_tries_is_a_wrong_code(
    raw_server: Any, http: httpx.AsyncClient, twilio: TwilioSimulator
) -> None:
    raw_server.answers = [(429, {}, {"code": 60202, "message": "Max check attempts reached", "status": 429})]
    assert await verify_at(raw_server.url, http, twilio).check(PHONE, "123456") is False


@pytest.mark.parametrize("answer", [{}, b"ok", {"status": "approved", "to": PHONE}, {"status": "pending", "to": "+1"}])
async def test_a_start_that_opens_no_verification_is_an_error(
    raw_server: Any, http: httpx.AsyncClient, twilio: TwilioSimulator, answer: Any
) -> None:
    raw_server.answers = [(201, {}, answer)]
    with pytest.raises(UnknownOutcomeError):
        await verify_at(raw_server.url, http, twilio).start(PHONE)


async def test_redirects_are_not_followed_with_credentials(
    raw_server: Any, http: httpx.AsyncClient, twilio: TwilioSimulator
) -> None:
    raw_server.answers = [(307, {"location": f"{raw_server.url}/elsewhere"}, {})]
    with pytest.raises(AccountRefusedError):
        await verify_at(raw_server.url, http, twilio).start(PHONE)
    assert len(raw_server.received) == 1


# --- the console -----------------------------------------------------------------------------------------------------


def test_the_console_is_refused_in_production() -> None:
    with pytest.raises(UnsafeProviderError):
        ConsoleVerify(env=AppEnv.PRODUCTION)


async def test_the_console_masks_the_number_and_logs_the_code(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="singr_comms"):
        verifier = ConsoleVerify(env=AppEnv.DEVELOPMENT)
        await verifier.start(PHONE, channel="call")
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith("call verification code for +1******0100: ")
    assert await verifier.check(PHONE, line.rpartition(" ")[2]) is True


async def test_the_console_forgets_the_oldest_of_very_many_numbers() -> None:
    console = Console()
    await console.verifier.start(PHONE)
    code = console.code_for(PHONE)
    for number in range(1000):
        await console.verifier.start(f"+1555556{number:04d}")
    assert await console.verifier.check(PHONE, code) is False
    assert await console.verifier.check("+15555560999", console.code_for("+15555560999")) is True


async def test_a_new_code_of_the_console_takes_the_place_of_the_old_one() -> None:
    console = Console()
    await console.verifier.start(PHONE)
    old = console.code_for(PHONE)
    for _ in range(5):  # one in a million is the same again
        await console.verifier.start(PHONE)
        if console.code_for(PHONE) != old:
            break
    assert await console.verifier.check(PHONE, old) is False
    assert await console.verifier.check(PHONE, console.code_for(PHONE)) is True
