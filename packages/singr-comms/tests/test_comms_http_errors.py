"""What each answer of an HTTP provider means, answers that no well-behaved provider gives included."""

import asyncio
import traceback
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from singr_comms import (
    EmailAddress,
    MailjetProvider,
    PermanentSendError,
    SendError,
    TransientError,
    TwilioProvider,
    UnknownOutcomeError,
)
from singr_comms._providers._http import Answer, Bearer, HttpCaller, retry_after
from singr_config import Secret

SENDER = EmailAddress("noreply@singrkaraoke.com")
PATIENT = 60.0
IMPATIENT = 0.5  # where nothing will be answered
TRACE = {"x-request-id": "req-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
Make = Callable[..., Any]


def mailjet_at(url: str, http: httpx.AsyncClient, deadline: float = PATIENT) -> MailjetProvider:
    return MailjetProvider(
        http,
        api_key=Secret("key"),
        secret_key=Secret("secret"),
        sender=SENDER,
        base_url=url,
        trace_headers=lambda: TRACE,
        deadline=deadline,
    )


def twilio_at(url: str, http: httpx.AsyncClient, deadline: float = PATIENT) -> TwilioProvider:
    return TwilioProvider(
        http,
        account_sid="AC1",
        auth_token=Secret("token"),
        sender="+15555550199",
        base_url=url,
        trace_headers=lambda: TRACE,
        deadline=deadline,
    )


@pytest.fixture(params=[mailjet_at, twilio_at], ids=["mailjet", "twilio"])
def over_http(request: pytest.FixtureRequest, http: httpx.AsyncClient, raw_server: Any) -> Any:
    raw_server.default = lambda _: (200, {}, {"sid": "SM1", "Messages": [{"Status": "success"}]})
    return request.param(raw_server.url, http)


def envelope_for(provider: Any, song_email: Make, song_sms: Make) -> Any:
    return song_sms() if isinstance(provider, TwilioProvider) else song_email()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        (400, {}, PermanentSendError, None),
        (401, {}, PermanentSendError, None),
        (403, {}, PermanentSendError, None),
        (404, {}, PermanentSendError, None),
        (302, {"location": "http://127.0.0.1:1/"}, PermanentSendError, None),
        (408, {}, TransientError, None),
        (429, {}, TransientError, None),
        (429, {"retry-after": "3"}, TransientError, 3.0),
        (429, {"retry-after": "-3"}, TransientError, None),
        (429, {"retry-after": "soon"}, TransientError, None),
        (429, {"retry-after": "99999999999999"}, TransientError, 86400.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, TransientError, 0.0),
        (500, {}, TransientError, None),
        (503, {}, TransientError, None),
        (502, {}, UnknownOutcomeError, None),
        (504, {}, UnknownOutcomeError, None),
    ],
)
@pytest.mark.parametrize("body", [{}, b"<html>Bad gateway</html>", b"[]", b'"x"', b"\xff\xfe", {"code": {"x": 1}}])
async def test_every_status_has_one_meaning(
    over_http: Any,
    raw_server: Any,
    song_email: Make,
    song_sms: Make,
    status: int,
    headers: dict[str, str],
    kind: type[SendError],
    wait: float | None,
    body: object,
) -> None:
    raw_server.answers = [(status, headers, body)]
    with pytest.raises(kind) as caught:
        await over_http.send(envelope_for(over_http, song_email, song_sms))
    assert getattr(caught.value, "retry_after", None) == wait
    assert caught.value.code == f"{over_http.name}_http_{status}"


@pytest.mark.parametrize("body", [b"", b"OK", {}, [], {"Messages": []}, {"Messages": "x"}, {"sid": 7}])
async def test_success_without_a_readable_answer_is_unknown(
    over_http: Any, raw_server: Any, song_email: Make, song_sms: Make, body: object
) -> None:
    raw_server.answers = [(200, {}, body)]
    with pytest.raises(UnknownOutcomeError):
        await over_http.send(envelope_for(over_http, song_email, song_sms))


async def test_provider_calls_carry_credentials_and_the_callers_trace(
    over_http: Any, raw_server: Any, song_email: Make, song_sms: Make
) -> None:
    await over_http.send(envelope_for(over_http, song_email, song_sms))
    headers = raw_server.received[0]["headers"]
    assert {name: headers[name] for name in TRACE} == TRACE
    user, _, password = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (user, password) in {("key", "secret"), ("AC1", "token")}


async def headers_of_a_call(raw_server: Any, http: httpx.AsyncClient, **options: Any) -> dict[str, str]:
    caller = HttpCaller(http, provider="test", trace_headers=lambda: TRACE)
    answer: Answer = await caller.post(raw_server.url, json={}, **options)
    assert answer.ok
    headers: dict[str, str] = raw_server.received[0]["headers"]
    return headers


async def test_a_call_can_show_a_bearer_token(raw_server: Any, http: httpx.AsyncClient) -> None:
    headers = await headers_of_a_call(raw_server, http, auth=Bearer(Secret("re_123")))
    assert headers["authorization"] == "Bearer re_123"


async def test_a_call_can_show_no_credentials(raw_server: Any, http: httpx.AsyncClient) -> None:
    assert "authorization" not in await headers_of_a_call(raw_server, http)


async def test_a_call_carries_the_providers_own_headers(raw_server: Any, http: httpx.AsyncClient) -> None:
    headers = await headers_of_a_call(raw_server, http, headers={"Idempotency-Key": "token-1"})
    assert headers["idempotency-key"] == "token-1"


async def test_the_providers_own_header_goes_before_ours(raw_server: Any, http: httpx.AsyncClient) -> None:
    headers = await headers_of_a_call(raw_server, http, headers={"Content-Type": "application/vnd.api+json"})
    assert headers["content-type"] == "application/vnd.api+json"


def test_a_bearer_token_is_not_shown() -> None:
    assert "re_123" not in repr(Bearer(Secret("re_123")))


@pytest.mark.parametrize(
    "options",
    [
        {"auth": Bearer(Secret("sesame\n"))},
        {"auth": Bearer(Secret("sesame\r\nx-evil: 1"))},
        {"headers": {"x-key": "sesame\n"}},
        {"headers": {"x-key": "sesamé"}},
    ],
)
async def test_a_secret_that_fits_no_header_is_refused_and_not_repeated(
    raw_server: Any, http: httpx.AsyncClient, options: dict[str, Any]
) -> None:
    with pytest.raises(PermanentSendError) as caught:
        await HttpCaller(http, provider="test").post(raw_server.url, json={}, **options)
    assert caught.value.code == "bad_header"
    assert "sesam" not in "".join(traceback.format_exception(caught.value))


async def test_an_unknown_host_means_not_sent(http: httpx.AsyncClient, song_email: Make) -> None:
    provider = MailjetProvider(
        http, api_key=Secret("k"), secret_key=Secret("s"), sender=SENDER, base_url="http://nowhere.invalid"
    )
    with pytest.raises(TransientError):
        await provider.send(song_email())


async def test_an_answer_that_drips_is_cut_off(raw_server: Any, http: httpx.AsyncClient, song_sms: Make) -> None:
    raw_server.mode = "drip"
    with pytest.raises(UnknownOutcomeError) as caught:
        await asyncio.wait_for(twilio_at(raw_server.url, http, IMPATIENT).send(song_sms()), PATIENT)
    assert caught.value.code == "timeout"


async def test_an_answer_cut_short_is_unknown(raw_server: Any, http: httpx.AsyncClient, song_sms: Make) -> None:
    raw_server.default = lambda _: (200, {"content-length": "1000"}, b"{")
    with pytest.raises(UnknownOutcomeError):
        await twilio_at(raw_server.url, http).send(song_sms())


def test_a_date_to_retry_after_is_counted_from_now() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after(headers, now=1445412480.0 - 90) == 90.0
    assert retry_after(headers, now=1445412480.0 + 90) == 0.0
    assert retry_after({}) is None
