"""What is particular to Resend: keys that drop copies, errors by name, mailboxes as text."""

from collections.abc import Callable
from email.header import decode_header, make_header
from typing import Any

import httpx
import pytest
from comms_benches import SENDER

from singr_comms import (
    AccountRefusedError,
    EmailAddress,
    EmailEnvelope,
    PermanentSendError,
    ResendProvider,
    SendError,
    SongRequest,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
    render_email,
)
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._inert import inert
from singr_config import Secret
from singr_config.clock import clock
from singr_config.text import unlinked
from singr_dev.simulators import ResendSimulator

Make = Callable[..., Any]
DAY = 24 * 3600


@pytest.fixture
def simulator(running: Callable[..., Any]) -> ResendSimulator:
    found: ResendSimulator = running(ResendSimulator)
    return found


def at(url: str, http: httpx.AsyncClient, key: str = "re_singr_simulator", **options: Any) -> ResendProvider:
    return ResendProvider(http, api_key=Secret(key), sender=SENDER, base_url=url, **options)


@pytest.fixture
def provider(simulator: ResendSimulator, http: httpx.AsyncClient) -> ResendProvider:
    return at(simulator.base_url, http)


async def test_a_mail_is_sent_with_its_key_and_with_tags_for_callbacks(
    simulator: ResendSimulator, provider: ResendProvider, song_email: Make
) -> None:
    envelope = song_email("0192-77")
    receipt = await provider.send(envelope)
    (received,) = simulator.received
    rendered = render_email(envelope.message)
    assert receipt.provider_message_id == received.id
    assert received.headers["idempotency-key"] == "0192-77"
    assert received.message == {
        "from": f'"{SENDER.name}" <{SENDER.email}>',
        "to": ['"Jane Ünal" <jane@example.org>'],
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "tags": [{"name": "kind", "value": "song_request"}, {"name": "message_id", "value": "0192-77"}],
    }


@pytest.mark.parametrize("name", ['"><evil@example.com>, "', "a\\", "Jane, Evil <evil@example.com>"])
async def test_no_name_adds_a_recipient(simulator: ResendSimulator, provider: ResendProvider, name: str) -> None:
    message = SongRequest(venue_name="V", artist="A", title="T", link="https://singr.example/requests")
    envelope = EmailEnvelope(to=EmailAddress("jane@example.org", name), message=message, idempotency_token="t")
    await provider.send(envelope)
    [to] = simulator.received[0].message["to"]
    assert to.endswith('" <jane@example.org>')
    inner = to.removeprefix('"').removesuffix('" <jane@example.org>').replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\\" not in inner


@pytest.mark.parametrize(
    "words", ["=?utf-8?q?=53=69=6E=67=72?=", "=?utf-8?b?4oCuY29t?=", "=\u200b?utf-8?q?=E2=80=AEmoc?="]
)
async def test_no_word_of_a_subject_or_a_name_is_one_that_a_reader_decodes(
    simulator: ResendSimulator, provider: ResendProvider, words: str
) -> None:
    message = SongRequest(venue_name=words, artist=words, title=words, link="https://singr.example/requests")
    brand = OrganizationBrand(sender=words)
    envelope = EmailEnvelope(
        to=EmailAddress("jane@example.org", words), message=message, idempotency_token="t", brand=brand
    )
    await provider.send(envelope)
    sent = simulator.received[0].message
    typed = inert(words).replace("=?", "\uff1d?")
    assert unlinked(typed) in sent["subject"]
    assert sent["to"] == [f'"{typed}" <jane@example.org>']
    assert sent["from"] == f'"{typed}" <{SENDER.email}>'
    for header in (sent["subject"], *sent["to"], sent["from"]):
        assert str(make_header(decode_header(header))) == header


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_key_with_other_words_means_that_something_was_sent(
    simulator: ResendSimulator, provider: ResendProvider, song_email: Make
) -> None:
    await provider.send(song_email())
    with pytest.raises(UnknownOutcomeError) as caught:
        await provider.send(song_email(title="Another"))
    assert caught.value.code == "resend_invalid_idempotent_request"
    assert len(simulator.received) == 1


async def test_key_that_is_at_work_means_try_later(raw_server: Any, http: httpx.AsyncClient, song_email: Make) -> None:
    raw_server.answers = [(409, {"retry-after": "1"}, {"name": "concurrent_idempotent_requests", "message": "wait"})]
    with pytest.raises(TransientError) as caught:
        await at(raw_server.url, http).send(song_email())
    assert (caught.value.code, caught.value.retry_after) == ("resend_concurrent_idempotent_requests", 1.0)


@pytest.mark.parametrize("fault", ["accept_then_drop_next", "accept_then_fail_next", "fail_next"])
async def test_asking_within_a_day_settles_whatever_came_of_the_first_try(
    simulator: ResendSimulator, provider: ResendProvider, song_email: Make, fault: str
) -> None:
    getattr(simulator, fault)()
    with pytest.raises(SendError):
        await provider.send(song_email())
    receipt = await provider.look_up(song_email(), clock.time())
    [taken] = simulator.received
    assert receipt is not None
    assert receipt.provider_message_id == taken.id


async def test_asking_after_a_day_would_send_twice_and_is_refused(
    simulator: ResendSimulator, provider: ResendProvider, song_email: Make
) -> None:
    with pytest.raises(UnknownOutcomeError) as caught:
        await provider.look_up(song_email(), clock.time() - DAY + 60)
    assert caught.value.code == "too_late"
    assert not simulator.requests


async def test_asking_without_an_answer_can_be_repeated(
    simulator: ResendSimulator, provider: ResendProvider, song_email: Make
) -> None:
    simulator.accept_then_drop_next()
    with pytest.raises(TransientError):
        await provider.look_up(song_email(), clock.time())
    await provider.look_up(song_email(), clock.time())
    assert len(simulator.received) == 1


# --- errors by name --------------------------------------------------------------------------------------------------

ERRORS: tuple[tuple[int, str, str, type[SendError]], ...] = (
    (400, "validation_error", "API key is invalid", AccountRefusedError),
    (400, "validation_error", "An error was found with one or more fields in the request.", PermanentSendError),
    (401, "missing_api_key", "Missing API Key", AccountRefusedError),
    (401, "restricted_api_key", "This API key is restricted to only send emails.", AccountRefusedError),
    (403, "validation_error", "The example.com domain is not verified.", AccountRefusedError),
    (422, "invalid_from_address", "The from address is not valid.", AccountRefusedError),
    (422, "validation_error", "Invalid `from` field. …", AccountRefusedError),
    (422, "validation_error", "Invalid `to` field. …", PermanentSendError),
    (422, "missing_required_field", "Missing `subject` field.", PermanentSendError),
    (429, "rate_limit_exceeded", "Too many requests.", TooManyRequestsError),
    (429, "daily_quota_exceeded", "You have reached your daily email sending quota.", AccountRefusedError),
    (429, "monthly_quota_exceeded", "You have reached your monthly quota.", AccountRefusedError),
    (503, "service_unavailable", "Try again.", TransientError),
    (502, "application_error", "An unexpected error occurred.", UnknownOutcomeError),
)


@pytest.mark.parametrize(("status", "name", "said", "kind"), ERRORS)
async def test_each_error_has_its_meaning(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, status: int, name: str, said: str, kind: type[SendError]
) -> None:
    raw_server.answers = [(status, {}, {"statusCode": status, "name": name, "message": said})]
    with pytest.raises(SendError) as caught:
        await at(raw_server.url, http).send(song_email())
    assert type(caught.value) is kind
    assert caught.value.code == f"resend_{name}"


async def test_account_for_tests_holds_this_message_alone(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make
) -> None:
    said = "You can only send testing emails to your own email address (jane.doe@example.org)."
    raw_server.answers = [(403, {}, {"statusCode": 403, "name": "validation_error", "message": said})]
    with pytest.raises(AccountRefusedError) as caught:
        await at(raw_server.url, http).send(song_email())
    assert caught.value.only_some
    assert "jane.doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "name", "said", "some"),
    [
        (422, "invalid_from_address", "The from address is not valid.", True),
        (422, "validation_error", "Invalid `from` field. …", True),
        (403, "validation_error", "The example.com domain is not verified.", False),
        (401, "missing_api_key", "Missing API Key", False),
    ],
)
async def test_name_of_an_organization_that_is_refused_holds_its_mails_alone(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, status: int, name: str, said: str, *, some: bool
) -> None:
    raw_server.answers = [(status, {}, {"statusCode": status, "name": name, "message": said})]
    with pytest.raises(AccountRefusedError) as caught:
        await at(raw_server.url, http).send(song_email())
    assert caught.value.only_some is some


@pytest.mark.parametrize("body", [b"", b"OK", {}, {"id": 7}, {"id": ""}])
async def test_success_without_an_id_is_unknown(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, body: object
) -> None:
    raw_server.answers = [(200, {}, body)]
    with pytest.raises(UnknownOutcomeError):
        await at(raw_server.url, http).send(song_email())
