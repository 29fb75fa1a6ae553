"""What each answer of an HTTP provider means, answers that no well-behaved provider gives included."""

import asyncio
import re
import traceback
import tracemalloc
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httpx
import pytest
from comms_over_http import IMPATIENT, PATIENT, SENDER, TRACE, Make, mailjet_at, twilio_at

from singr_comms import (
    AccountRefusedError,
    MailjetProvider,
    PermanentSendError,
    SendError,
    TooManyRequestsError,
    TransientError,
    TwilioProvider,
    UnknownOutcomeError,
)
from singr_comms.providers._http import Answer, Bearer, HttpCaller, retry_after
from singr_config import Secret


@pytest.fixture(params=[mailjet_at, twilio_at], ids=["mailjet", "twilio"])
def over_http(request: pytest.FixtureRequest, http: httpx.AsyncClient, raw_server: Any) -> Any:
    raw_server.default = lambda _: (200, {}, {"sid": "SM1", "Messages": [{"Status": "success"}]})
    return request.param(raw_server.url, http)


def envelope_for(provider: Any, song_email: Make, song_sms: Make) -> Any:
    return song_sms() if isinstance(provider, TwilioProvider) else song_email()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        (422, {}, PermanentSendError, None),
        (451, {}, AccountRefusedError, None),
        (511, {}, AccountRefusedError, None),
        (401, {}, AccountRefusedError, None),
        (403, {}, AccountRefusedError, None),
        (404, {}, AccountRefusedError, None),
        (301, {"location": "http://127.0.0.1:1/"}, AccountRefusedError, None),
        (302, {"location": "http://127.0.0.1:1/"}, AccountRefusedError, None),
        (304, {}, AccountRefusedError, None),
        (308, {"location": "http://127.0.0.1:1/"}, AccountRefusedError, None),
        (408, {}, TransientError, None),
        (402, {}, AccountRefusedError, None),
        (429, {}, TooManyRequestsError, None),
        (429, {"retry-after": "3"}, TooManyRequestsError, 3.0),
        (429, {"retry-after": "-3"}, TransientError, None),
        (429, {"retry-after": "soon"}, TransientError, None),
        (429, {"retry-after": "99999999999999"}, TransientError, 3600.0),
        (503, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, TransientError, 3600.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, TransientError, 0.0),
        (500, {}, UnknownOutcomeError, None),
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


@pytest.mark.parametrize(
    ("body", "kind"),
    [({}, PermanentSendError), ({"message": "no"}, PermanentSendError)]
    + [(body, AccountRefusedError) for body in (b"<html>sent to an HTTPS port</html>", b"", b"[]", b"\xff")],
)
async def test_bad_request_that_the_provider_did_not_write_keeps_the_message(
    over_http: Any, raw_server: Any, song_email: Make, song_sms: Make, body: object, kind: type[SendError]
) -> None:
    raw_server.answers = [(400, {}, body)]
    with pytest.raises(kind):
        await over_http.send(envelope_for(over_http, song_email, song_sms))


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


async def headers_of_a_call(
    raw_server: Any, http: httpx.AsyncClient, trace: Mapping[str, str] = TRACE, **options: Any
) -> dict[str, str]:
    caller = HttpCaller(http, provider="test", trace_headers=lambda: trace)
    answer: Answer = await caller.post(raw_server.url, json={}, **options)
    assert answer.ok
    headers: dict[str, str] = raw_server.received[0]["headers"]
    return headers


async def test_no_header_goes_out_twice_however_it_is_written(raw_server: Any) -> None:
    async with httpx.AsyncClient(headers={"X-Request-Id": "client"}) as http:
        headers = await headers_of_a_call(
            raw_server, http, trace={"X-Request-ID": "trace"}, headers={"x-request-id": "own"}
        )
    assert headers["x-request-id"] == "own"  # the server goes by the last one that it got


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


async def test_headers_of_the_applications_client_go_along_and_cookies_of_the_provider_do_not(raw_server: Any) -> None:
    raw_server.answers = [(200, {"set-cookie": "who=us; Path=/"}, b"{}"), (200, {}, b"{}")]
    async with httpx.AsyncClient(headers={"User-Agent": "venue/1", "Accept-Encoding": "gzip"}) as client:
        caller = HttpCaller(client, provider="test")
        for _ in range(2):
            await caller.post(raw_server.url, json={})
    headers = raw_server.received[1]["headers"]
    assert (headers["user-agent"], headers["accept-encoding"]) == ("venue/1", "identity")
    assert "cookie" not in headers


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
    with pytest.raises(AccountRefusedError) as caught:
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


# --- whatever a provider says can be stored --------------------------------------------------------------------------

FAR_TOO_LONG = "".join(chr(0x4E00 + index * 7919 % 20_000) for index in range(9_000))


@pytest.mark.parametrize(("sid", "kept"), [("SM\0aa", "SMaa"), ("SM\u202e1\r\n", "SM1"), ("\0", None)])
async def test_id_of_a_provider_keeps_what_can_be_stored(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, sid: str, kept: str | None
) -> None:
    raw_server.answers = [(201, {}, {"sid": sid})]
    receipt = await twilio_at(raw_server.url, http).send(song_sms())
    assert receipt.provider_message_id == kept


async def test_id_of_a_provider_fits_an_index(raw_server: Any, http: httpx.AsyncClient, song_email: Make) -> None:
    sent = {"Status": "success", "To": [{"MessageUUID": FAR_TOO_LONG}]}
    raw_server.answers = [(200, {}, {"Messages": [sent]})]
    receipt = await mailjet_at(raw_server.url, http).send(song_email())
    assert receipt.provider_message_id is not None
    assert len(receipt.provider_message_id.encode()) < 2_000


@pytest.mark.parametrize("code", ["x\0y" + "z" * 30_000, "<b>", "\ud7ff \U0001f600", ["x"], {"x": "\0"}])
async def test_code_of_a_provider_is_a_short_token(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, code: object
) -> None:
    error = {"ErrorCode": code, "StatusCode": 400, "ErrorMessage": "no\0 \u202e" + "w" * 30_000}
    raw_server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]
    with pytest.raises(PermanentSendError) as caught:
        await mailjet_at(raw_server.url, http).send(song_email())
    assert re.fullmatch(r"mailjet_[\w.-]{1,56}", caught.value.code, re.ASCII)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) <= 1_000


# --- answers without end ---------------------------------------------------------------------------------------------


@cache
def packed(size: int, *, form: int = 31) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    return packer.compress(b" " * size) + packer.flush()


# made when a test asks, not when this file is loaded
ENDLESS: dict[str, tuple[dict[str, str], Callable[[], bytes]]] = {
    "long": ({}, lambda: b" " * 70_000),
    "gzip bomb": ({"content-encoding": "gzip"}, lambda: packed(20_000_000)),
    "deflate bomb": ({"content-encoding": "deflate"}, lambda: packed(20_000_000, form=15)),
    "gzip of gzip": ({"content-encoding": "gzip, gzip"}, lambda: packed(1_000)),
    "unknown packing": ({"content-encoding": "br"}, lambda: b"{}"),
    "no gzip": ({"content-encoding": "gzip"}, lambda: b"{}"),
}


@pytest.mark.parametrize(("headers", "body"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, UnknownOutcomeError), (502, UnknownOutcomeError), (400, TransientError), (503, TransientError)],
)
async def test_answer_without_end_is_not_read_to_its_end(
    over_http: Any,
    raw_server: Any,
    song_email: Make,
    song_sms: Make,
    status: int,
    kind: type[SendError],
    headers: dict[str, str],
    body: Callable[[], bytes],
) -> None:
    raw_server.answers = [(status, headers, body())]
    with pytest.raises(kind) as caught:
        await over_http.send(envelope_for(over_http, song_email, song_sms))
    assert caught.value.code == "endless_answer"


async def test_gzip_bomb_takes_no_memory(raw_server: Any, http: httpx.AsyncClient) -> None:
    raw_server.answers = [(200, {"content-encoding": "gzip"}, packed(20_000_000))]
    tracemalloc.start()
    try:
        with pytest.raises(UnknownOutcomeError):
            await HttpCaller(http, provider="test").post(raw_server.url, json={})
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_packed_answer_is_read_though_none_was_asked_for(raw_server: Any, http: httpx.AsyncClient) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    raw_server.answers = [(200, {"content-encoding": "gzip"}, packer.compress(b'{"a": 1}') + packer.flush())]
    answer: Answer = await HttpCaller(http, provider="test").post(raw_server.url, json={})
    assert answer.body == {"a": 1}
    assert raw_server.received[0]["headers"]["accept-encoding"] == "identity"
