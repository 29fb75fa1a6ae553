"""Providers that send twice, to somebody else, or believe whatever is listed are told so by the exported suite."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from singr_comms import SendReceipt, SmsEnvelope, TransientError, UnknownOutcomeError, render_sms
from singr_comms.conformance import HttpProviderSuite, Reply, Request
from singr_comms.conformance._reading import names, says
from singr_comms.providers import HttpCaller


class Right:
    """A provider that does as it should, of which each one below does one thing otherwise."""

    name = "parlour"
    takes_idempotency_key = False

    def __init__(self, url: str, http: httpx.AsyncClient, deadline: float) -> None:
        self.url = url
        self.caller = HttpCaller(http, provider=self.name, deadline=deadline)

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        body = {"to": envelope.to, "text": render_sms(envelope.message), "ref": envelope.idempotency_token}
        answer = await self.caller.post(self.url, headers=self.headers(), json=self.changed(body))
        if not answer.ok:
            raise self.caller.refusal(answer, code="parlour", message="no")
        if "id" not in answer.body:
            raise UnknownOutcomeError("unreadable_answer", "no id")
        return SendReceipt(self.name, answer.body["id"])

    def headers(self) -> Mapping[str, str]:
        return {}

    def changed(self, body: dict[str, str]) -> dict[str, str]:
        return body

    async def look_up(self, envelope: SmsEnvelope, _began_at: float, /) -> SendReceipt | None:
        listed = await self.caller.ask(self.url, params={"ref": envelope.idempotency_token})
        rows = [one for one in listed["rows"] if one["ref"] == envelope.idempotency_token]
        return SendReceipt(self.name, rows[0]["id"]) if rows else None


class Suite(HttpProviderSuite):
    channel = "sms"
    of: type[Right] = Right

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        return self.of(url, http, deadline)

    def taken(self, _request: Request) -> Reply:
        return Reply(200, {"id": "1"})

    def refused(self, _request: Request) -> Reply:
        return Reply(422, {})

    def found(self, _request: Request) -> Reply:
        return Reply(200, {"rows": [{"id": "1", "ref": "conformance-token-7f3a", "to": "254712345678"}]})

    def absent(self, _request: Request) -> Reply:
        return Reply(200, {"rows": []})


def told(provider: type[Right], test: str, suite: type[Suite] = Suite) -> str:
    """What the suite says of a provider by one of its tests; nothing where it passes."""
    tried = type("Of", (suite,), {"of": provider})()
    try:
        getattr(tried, test)()
    except AssertionError as error:
        return str(error)
    return ""


class TestRight(Suite):
    """The whole suite has nothing to say against it."""


class Repeating(Right):
    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        try:
            return await super().send(envelope)
        except UnknownOutcomeError:
            return await super().send(envelope)


class RepeatingByKey(Repeating):
    takes_idempotency_key = True


class RepeatingByAnotherKey(RepeatingByKey):
    def headers(self) -> Mapping[str, str]:
        return {"idempotency-key": uuid4().hex}


UNKNOWN = [
    "test_no_answer_means_unknown",
    "test_a_connection_cut_after_the_message_means_unknown",
    "test_an_endless_answer_is_not_read_to_its_end",
    "test_a_message_that_was_taken_and_answered_500_is_unknown",
    "test_success_without_a_readable_answer_is_unknown",
]


@pytest.mark.parametrize("test", UNKNOWN)
def test_provider_that_repeats_what_may_have_been_taken_is_told(test: str) -> None:
    assert "send asked 2 times" in told(Repeating, test)


def test_provider_may_repeat_under_the_same_key_and_no_other() -> None:
    test = "test_a_message_that_was_taken_and_answered_500_is_unknown"
    assert told(RepeatingByKey, test) == ""
    assert "ask again with the same key and words" in told(RepeatingByAnotherKey, test)


class ToOneNumber(Right):
    def changed(self, body: dict[str, str]) -> dict[str, str]:
        return body | {"to": "+15555550100"}


class ToNobody(Right):
    def changed(self, body: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in body.items() if name != "to"}


class ToHalfANumber(Right):
    def changed(self, body: dict[str, str]) -> dict[str, str]:
        return body | {"to": body["to"][:-1]}


@pytest.mark.parametrize("provider", [ToOneNumber, ToNobody, ToHalfANumber])
def test_provider_that_writes_to_somebody_else_is_told(provider: type[Right]) -> None:
    assert "does not name the recipient" in told(provider, "test_a_message_goes_to_its_recipient")


MAIL = b'From: Singr <a@b.example>\r\nTo: "Jane" <Jane@example.org>\r\n\r\nHello\r\n'


@pytest.mark.parametrize(
    ("body", "path", "recipient"),
    [
        (b'{"to": {"number": "\\u002b254 712 345-678"}}', "/", "+254712345678"),
        (b"to=%2B254712345678", "/", "+254712345678"),
        (b'{"to": 254712345678}', "/", "+254712345678"),
        (b'{"country": "254", "mobile": "0712345678"}', "/", "+254712345678"),
        (b"", "/send?to=%2B254712345678&text=x", "+254712345678"),
        (b'{"to": "jane%40example.org"}', "/", "jane@example.org"),
        (b'{"raw": "' + base64.urlsafe_b64encode(MAIL) + b'"}', "/", "jane@example.org"),
        (urlencode({"raw": base64.b64encode(MAIL).decode()}).encode(), "/", "jane@example.org"),
        (base64.encodebytes(MAIL), "/", "jane@example.org"),
        (b"", "/devices/token%3A0123", "token:0123"),
    ],
)
def test_recipient_is_found_however_the_service_wants_it(body: bytes, path: str, recipient: str) -> None:
    assert names(Request("POST", path, {}, body), recipient)
    assert not names(Request("POST", path, {}, body), "+254700000001" if recipient[0] == "+" else f"not-{recipient}")


def test_words_that_are_only_nearly_there_are_not_found() -> None:
    assert not names(Request("POST", "/", {}, b'{"to": "+2547123456789"}'), "+254712345678")
    assert not names(Request("POST", "/", {}, b'{"to": "+1712345678"}'), "+254712345678")
    assert not says(Request("POST", "/", {}, b'{"text": "AAAAAAAAAAAAAAAAAAAAA"}'), "Hello")


class AskingForAll(Right):
    async def look_up(self, envelope: SmsEnvelope, _began_at: float, /) -> SendReceipt | None:
        listed = await self.caller.ask(self.url)
        rows = [one for one in listed["rows"] if one["ref"] == envelope.idempotency_token]
        return SendReceipt(self.name, rows[0]["id"]) if rows else None


class Believing(Right):
    async def look_up(self, envelope: SmsEnvelope, _began_at: float, /) -> SendReceipt | None:
        rows = (await self.caller.ask(self.url, params={"to": envelope.to}))["rows"]
        return SendReceipt(self.name, rows[0]["id"]) if rows else None


class BelievingAndAskingForAll(Right):
    async def look_up(self, _envelope: SmsEnvelope, _began_at: float, /) -> SendReceipt | None:
        rows = (await self.caller.ask(self.url))["rows"]
        return SendReceipt(self.name, rows[0]["id"]) if rows else None


class Doubting(Right):
    async def look_up(self, envelope: SmsEnvelope, began_at: float, /) -> SendReceipt | None:
        found = await super().look_up(envelope, began_at)
        if found is None and (await self.caller.ask(self.url, params={"ref": envelope.idempotency_token}))["rows"]:
            raise TransientError("another", "the list is of another message")
        return found


ASKED = "test_a_look_up_tells_found_from_absent_and_from_no_answer"
BELIEVED = "test_a_look_up_believes_nothing_of_another_message"


@pytest.mark.parametrize("provider", [AskingForAll, BelievingAndAskingForAll])
def test_look_up_that_asks_for_no_message_in_particular_is_told(provider: type[Right]) -> None:
    assert "asks for no message in particular" in told(provider, ASKED)


@pytest.mark.parametrize("provider", [Believing, BelievingAndAskingForAll])
def test_look_up_that_believes_the_message_of_somebody_else_is_told(provider: type[Right]) -> None:
    assert "believed the message of somebody else" in told(provider, BELIEVED)


def test_look_up_may_doubt_a_list_of_another_and_trust_one_that_names_nobody() -> None:
    class Nameless(Suite):
        def found(self, _request: Request) -> Reply:
            return Reply(200, {"rows": [{"id": "1"}]})

    assert told(Doubting, BELIEVED) == ""
    assert told(Believing, BELIEVED, Nameless) == ""


def with_random(name: str) -> type[Right]:
    """A provider with a header that is another in each try."""

    class Differing(Right):
        def headers(self) -> Mapping[str, str]:
            return {name: uuid4().hex}

    return Differing


SAME = "test_a_second_try_says_the_same"


@pytest.mark.parametrize("name", ["x-request-id", "Idempotency-Key"])
def test_header_that_is_random_is_told_by_name(name: str) -> None:
    assert f"its header {name.lower()}" in told(with_random(name), SAME)


def test_address_that_is_random_is_told() -> None:
    class Nonce(Right):
        def __init__(self, url: str, http: httpx.AsyncClient, deadline: float) -> None:
            super().__init__(f"{url}/send?nonce={uuid4().hex}", http, deadline)

    class Signing(Suite):
        per_try = ("nonce", "x-signed-at")

    assert "its query" in told(Nonce, SAME)
    assert told(Nonce, SAME, Signing) == ""
    assert told(with_random("X-Signed-At"), SAME, Signing) == ""


@pytest.mark.parametrize("name", ["traceparent", "Authorization", "Date"])
def test_header_that_belongs_to_the_try_may_differ(name: str) -> None:
    assert told(with_random(name), SAME) == ""
