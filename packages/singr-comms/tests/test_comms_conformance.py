"""Our providers pass the exported suite, and a stranger's provider that is wrong is told how."""

import json
import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from comms_benches import SENDER, benches

from singr_comms import FcmProvider, MailjetProvider, ResendProvider, SalumProvider, TwilioProvider
from singr_comms.conformance import HttpProviderSuite, Reply, Request
from singr_comms.conformance._samples import CANARY
from singr_config import Secret
from singr_config.clock import clock
from singr_dev.simulators import FcmSimulator
from singr_dev.simulators.twilio import formatdate

KEY = "sesame-7f3a"


class TestMailjet(HttpProviderSuite):
    channel = "email"
    secrets = (KEY,)

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return MailjetProvider(
            http, api_key=Secret("k"), secret_key=Secret(KEY), sender=SENDER, base_url=url, deadline=deadline
        )

    def taken(self, _request: Request) -> Reply:
        return Reply(200, {"Messages": [{"Status": "success", "To": [{"MessageID": 7}]}]})

    def refused(self, _request: Request) -> Reply:
        error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorRelatedTo": ["To[0].Email"]}
        text = '"jane.conformance@example.org" is an invalid email address.'
        return Reply(400, {"Messages": [{"Status": "error", "Errors": [error | {"ErrorMessage": text}]}]})

    def found(self, request: Request) -> Reply:
        [token] = parse_qs(request.path.partition("?")[2])["CustomID"]
        return Reply(200, {"Count": 1, "Data": [{"ID": 7, "CustomID": token}], "Total": 1})

    def absent(self, _request: Request) -> Reply:
        return Reply(200, {"Count": 0, "Data": [], "Total": 0})


class TestResend(HttpProviderSuite):
    channel = "email"
    secrets = (KEY,)

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return ResendProvider(http, api_key=Secret(KEY), sender=SENDER, base_url=url, deadline=deadline)

    def taken(self, _request: Request) -> Reply:
        return Reply(200, {"id": "49a3999c"})

    def refused(self, _request: Request) -> Reply:
        return Reply(422, {"name": "validation_error", "message": "Invalid `to` field: jane.conformance@example.org"})

    found = absent = taken  # it is asked by sending again


class TestTwilio(HttpProviderSuite):
    channel = "sms"
    secrets = (KEY,)

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return TwilioProvider(
            http, account_sid="AC1", auth_token=Secret(KEY), sender="+15005550006", base_url=url, deadline=deadline
        )

    def taken(self, _request: Request) -> Reply:
        return Reply(201, {"sid": "SM1", "status": "queued"})

    def refused(self, _request: Request) -> Reply:
        return Reply(400, {"code": 21211, "message": "Invalid 'To' Phone Number: +254712345678"})

    def found(self, _request: Request) -> Reply:
        one = {"sid": "SM1", "to": "+254712345678", "body": CANARY, "status": "sent"}
        return Reply(200, {"messages": [one | {"date_created": formatdate(clock.time())}]})

    def absent(self, _request: Request) -> Reply:
        return Reply(200, {"messages": []})


class TestSalum(HttpProviderSuite):
    channel = "sms"
    secrets = (KEY,)

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return SalumProvider(
            http, api_key=Secret(KEY), partner_id="1", shortcode="SINGR", base_url=url, deadline=deadline
        )

    def taken(self, _request: Request) -> Reply:
        return Reply(200, {"responses": [{"respose-code": 200, "messageid": 7}]})

    def refused(self, _request: Request) -> Reply:
        said = {"respose-code": 1003, "response-description": "Invalid mobile number 254712345678"}
        return Reply(200, {"responses": [said]})

    def account_refused(self, _request: Request) -> Reply:
        return Reply(200, {"responses": [{"respose-code": 1006, "response-description": "Invalid credentials"}]})


class TestFcm(HttpProviderSuite):
    channel = "push"

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return FcmProvider(
            http,
            project_id="p",
            client_email="push@p.iam.gserviceaccount.com",
            private_key=Secret(FcmSimulator().private_key),
            base_url=url,
            token_url=f"{url}/token",
            deadline=deadline,
        )

    def aside(self, request: Request) -> Reply | None:
        return Reply(200, {"access_token": "ya29"}) if request.path == "/token" else None

    def taken(self, _request: Request) -> Reply:
        return Reply(200, {"name": "projects/p/messages/0:7"})

    def refused(self, _request: Request) -> Reply:
        details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}]
        return Reply(404, {"error": {"status": "NOT_FOUND", "message": "Not found.", "details": details}})


# --- a stranger's ----------------------------------------------------------------------------------------------------

STRANGER = """
import secrets
import httpx
from singr_comms import AccountRefusedError, PermanentSendError, SendReceipt, TransientError, UnknownOutcomeError
from singr_comms import render_sms
from singr_comms.conformance import HttpProviderSuite, Reply


class Postbox:
    name = "postbox"
    takes_idempotency_key = False

    def __init__(self, url, http, deadline):
        self.url, self.http, self.deadline = url, http, deadline

    async def send(self, envelope):
        body = {"to": envelope.to, "text": render_sms(envelope.message), "ref": REF}
        try:
            answer = await ask(self, body)
        except httpx.ConnectError as error:
            raise TransientError("connection", "nobody listens") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise UnknownOutcomeError("timeout", "no answer") from error
        if answer.status_code in LATER:
            raise TransientError("later", "later", retry_after=WAIT)
        if answer.status_code >= 500:
            raise UnknownOutcomeError("failed", "perhaps sent")
        if answer.status_code == 401:
            raise AccountRefusedError("key", "wrong key")
        if answer.status_code >= 400:
            raise PermanentSendError("refused", "refused")
        try:
            identity = answer.json()["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnknownOutcomeError("unreadable", "unreadable") from error
        return SendReceipt("postbox", identity)


async def ask(self, body):
    import asyncio
    headers = {"x-key": "k"}
    async with asyncio.timeout(self.deadline):
        async with self.http.stream("POST", self.url, json=body, headers=headers, timeout=30) as answer:
            read = b""
            async for piece in answer.aiter_raw():
                read += piece
                if len(read) > 65536:
                    raise httpx.ReadError("too long")
            return httpx.Response(answer.status_code, headers=answer.headers, content=read)


class TestPostbox(HttpProviderSuite):
    channel = "sms"

    def build(self, url, http, deadline):
        return Postbox(url, http, deadline)

    def taken(self, request):
        return Reply(200, {"id": "1"})

    def refused(self, request):
        return Reply(422, {})
"""
RIGHT = {
    "REF": "envelope.idempotency_token",
    "LATER": "(429, 503)",
    "WAIT": 'float(answer.headers["retry-after"]) if "retry-after" in answer.headers else None',
}
WRONG = {"REF": "secrets.token_hex(8)", "LATER": "(429, 500, 503)", "WAIT": "None"}
TOLD = {
    "test_a_message_that_was_taken_and_answered_500_is_unknown": "raise UnknownOutcomeError for a 500",
    "test_a_busy_service_means_later_when_it_says": "give retry_after=17.0 for `Retry-After: 17`, not None",
    "test_a_second_try_says_the_same": "a second try of one message differs from the first",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of a stranger's two providers, outside of this repository."""
    folder = tmp_path_factory.mktemp("stranger")
    for file, parts in (("right", RIGHT), ("wrong", WRONG)):
        text = STRANGER
        for name, value in parts.items():
            text = re.sub(rf"\b{name}\b", lambda _, value=value: value, text)  # type: ignore[misc] # of this turn
        (folder / f"test_{file}.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    ).stdout


def ended(told: str, outcome: str, file: str) -> set[str]:
    return set(re.findall(rf"^{outcome} test_{file}\.py::TestPostbox::(\w+)", told, re.MULTILINE))


def test_provider_of_a_stranger_that_is_right_passes(told: str) -> None:
    assert not ended(told, "(?:FAILED|ERROR)", "right"), told
    assert len(ended(told, "PASSED", "right")) > len(TOLD), told


def test_provider_of_a_stranger_that_is_wrong_in_three_ways_is_told_each(told: str) -> None:
    assert ended(told, "(?:FAILED|ERROR)", "wrong") == set(TOLD), told
    for words in TOLD.values():
        assert words in told


def test_each_of_our_providers_over_http_is_in_the_suite() -> None:
    suites = {name.removeprefix("Test").lower() for name in globals() if name.startswith("Test")}
    assert suites == set(benches()) - {"smtp"}


def test_suite_needs_no_pytest_to_be_imported() -> None:
    code = "import singr_comms.conformance, sys, json; print(json.dumps('pytest' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) is False


def test_suite_of_another_channel_asks_for_its_envelope() -> None:
    class OfFax(HttpProviderSuite):
        channel = "fax"

    with pytest.raises(KeyError):
        OfFax().envelope("t", "x")


def test_class_that_says_nothing_of_its_provider_is_told_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match=r"write build\(self, url, http, deadline\)"):
        HttpProviderSuite().test_it_is_a_provider()


def test_look_up_that_finds_what_is_not_there_is_wrong_where_no_copy_is_dropped() -> None:
    class Believing(TestMailjet):
        def absent(self, request: Request) -> Reply:
            return self.found(request)

    with pytest.raises(AssertionError, match="look_up must return None"):
        Believing().test_a_look_up_tells_found_from_absent_and_from_no_answer()
