"""What providers say when they are asked, minutes later, whether they took a message."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from comms_benches import Bench, benches
from comms_over_http import mailjet_at, twilio_at

from singr_comms import LooksUp, PermanentSendError, SendError, TransientError, UnknownOutcomeError
from singr_config.clock import clock

Make = Callable[..., Any]
BENCHES = {name: bench for name, bench in benches().items() if name in {"mailjet", "twilio"}}


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def bench(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> AsyncIterator[Bench]:
    async with request.param.open(request, http) as opened:
        yield opened


@pytest.fixture
def make(bench: Bench, song_email: Make, song_sms: Make) -> Make:
    return song_sms if bench.channel == "sms" else song_email


@pytest.mark.parametrize("fault", ["drop", "take_and_fail"])
async def test_message_that_was_taken_without_a_word_is_found(bench: Bench, make: Make, fault: str) -> None:
    began_at = clock.time()
    getattr(bench, fault)()
    with contextlib.suppress(SendError):
        await bench.provider.send(make())
    [taken] = bench.simulator.received  # type: ignore[attr-defined] # each of them has one
    assert isinstance(bench.provider, LooksUp)
    receipt = await bench.provider.look_up(make(), began_at)
    assert receipt is not None
    assert (receipt.provider, receipt.provider_message_id) == (bench.provider.name, taken.id)


async def test_message_that_was_never_taken_is_absent(bench: Bench, make: Make) -> None:
    await bench.provider.send(make("token-2") if bench.channel == "email" else make(text="Another text"))
    assert await bench.provider.look_up(make(), clock.time()) is None


async def test_answer_to_a_send_and_to_the_question_name_the_same_message(bench: Bench, make: Make) -> None:
    began_at = clock.time()
    sent = await bench.provider.send(make())
    assert await bench.provider.look_up(make(), began_at) == sent


async def test_question_that_fails_can_be_asked_again(bench: Bench, make: Make) -> None:
    began_at = clock.time()
    sent = await bench.provider.send(make())
    bench.fail_look_up()
    with pytest.raises(TransientError):
        await bench.provider.look_up(make(), began_at)
    assert await bench.provider.look_up(make(), began_at) == sent


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", {}, {"Data": {}, "messages": "x"}, {"Data": [7]}])
@pytest.mark.parametrize("at", [mailjet_at, twilio_at])
async def test_answer_that_lists_nothing_readable_tells_nothing(
    raw_server: Any, http: httpx.AsyncClient, at: Any, body: object, song_email: Make, song_sms: Make
) -> None:
    raw_server.default = lambda _: (200, {}, body)
    provider = at(raw_server.url, http)
    with pytest.raises(TransientError):
        await provider.look_up(song_sms() if provider.name == "twilio" else song_email(), clock.time())


@pytest.mark.parametrize("status", [401, 404, 429, 500, 502])
async def test_no_status_of_a_question_makes_an_outcome(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, status: int
) -> None:
    raw_server.default = lambda _: (status, {}, {})
    with pytest.raises(TransientError):
        await mailjet_at(raw_server.url, http).look_up(song_email(), clock.time())


async def test_mailjet_that_ignores_the_filter_is_not_believed(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make
) -> None:
    raw_server.default = lambda _: (200, {}, {"Data": [{"ID": 1, "CustomID": "another"}]})
    with pytest.raises(TransientError) as caught:
        await mailjet_at(raw_server.url, http).look_up(song_email(), clock.time())
    assert caught.value.code == "unreadable_answer"


# --- Twilio, which keeps no id of ours -------------------------------------------------------------------------------


async def test_message_in_twilios_queue_counts_as_taken(twilio: Any, http: httpx.AsyncClient, song_sms: Make) -> None:
    provider = BENCHES["twilio"](twilio, http).provider  # type: ignore[call-arg] # a bench with a simulator
    twilio.queueing = True
    try:
        sent = await provider.send(song_sms())
        assert await provider.look_up(song_sms(), clock.time()) == sent
    finally:
        twilio.queueing = False


async def test_same_text_of_an_hour_ago_is_another_message(
    twilio: Any, http: httpx.AsyncClient, song_sms: Make
) -> None:
    provider = BENCHES["twilio"](twilio, http).provider  # type: ignore[call-arg] # likewise
    await provider.send(song_sms())
    assert await provider.look_up(song_sms(), clock.time() + 3600) is None


def listed(**changes: object) -> dict[str, object]:
    message = {"sid": "SM1", "to": "+15555550100", "body": "Café <Müller> & Söhne", "status": "sent"}
    return message | {"date_created": "Fri, 27 Nov 2026 12:00:05 +0000", "error_code": None} | changes


@pytest.mark.parametrize("code", [30007, 30034])
async def test_message_that_twilio_took_and_threw_away_is_over(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, code: int
) -> None:
    raw_server.default = lambda _: (200, {}, {"messages": [listed(status="undelivered", error_code=code)]})
    with pytest.raises(PermanentSendError) as caught:
        await twilio_at(raw_server.url, http).look_up(song_sms(), 1795780800.0)
    assert caught.value.code == f"twilio_{code}"


async def test_words_of_an_account_for_trials_are_no_other_text(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make
) -> None:
    body = "Sent from your Twilio trial account - Café <Müller> & Söhne"
    raw_server.default = lambda _: (200, {}, {"messages": [listed(body=body)]})
    receipt = await twilio_at(raw_server.url, http).look_up(song_sms(), 1795780800.0)
    assert receipt is not None
    assert receipt.provider_message_id == "SM1"


async def test_more_messages_than_are_read_leave_the_outcome_unknown(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make
) -> None:
    others = {"messages": [listed(body="x")], "next_page_uri": "/2010-04-01/Accounts/AC1/Messages.json?Page=1"}
    raw_server.default = lambda _: (200, {}, others)
    with pytest.raises(UnknownOutcomeError) as caught:
        await twilio_at(raw_server.url, http).look_up(song_sms(), 1795780800.0)
    assert caught.value.code == "too_many_listed"
