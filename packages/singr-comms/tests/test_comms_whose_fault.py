"""Whose fault a provider's refusal is: our account's, the recipient's, or nobody knows."""

from typing import Any

import httpx
import pytest
from comms_over_http import Make, mailjet_at, twilio_at

from singr_comms import AccountRefusedError, PermanentSendError, SendError


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((401, 20003), (401, 20005), (403, 20006), (400, 21611), (400, 21606), (400, 21212), (404, 20404)),
        *((429, 21611), (400, 21601), (400, 14108), (401, 57019), (403, 572002), (400, 10001), (401, 21211)),
        *((402, 99999), (403, 30003), (400, 21608), (403, 21408), (400, 21408), (400, 30034), (400, 30032)),
        *((400, 21210), (400, 21703), (400, 21710), (400, 30700), (400, 30879), (400, 572005), (400, 63007)),
    ],
)
async def test_twilio_refusing_our_account_is_told_from_a_message_refused(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, status: int, code: int
) -> None:
    raw_server.answers = [(status, {}, {"code": code, "message": "no"})]
    with pytest.raises(AccountRefusedError) as caught:
        await twilio_at(raw_server.url, http).send(song_sms())
    assert caught.value.code == f"twilio_{code}"


@pytest.mark.parametrize(
    ("status", "code"), [(400, 21211), (400, 21610), (400, 21614), (403, 21610), (400, 21617), (400, 30038)]
)
async def test_twilio_refusing_a_recipient_is_for_good(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, status: int, code: int
) -> None:
    raw_server.answers = [(status, {}, {"code": code, "message": "no"})]
    with pytest.raises(PermanentSendError):
        await twilio_at(raw_server.url, http).send(song_sms())


@pytest.mark.parametrize(
    ("code", "some"),
    [
        *((code, True) for code in (21408, 21606, 21608, 21659, 21703, 572005)),
        *((code, True) for code in (30010, 30018, 30022, 30024, 30032, 30034, 30044, 30700, 60238)),
        *((code, False) for code in (20003, 21212, 21601, 21611, 21660, 21701, 21704, 21705, 30002, 63038)),
    ],
)
async def test_account_that_is_open_to_other_recipients_is_told_from_one_that_is_closed(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, code: int, *, some: bool
) -> None:
    raw_server.answers = [(400, {}, {"code": code, "message": "no"})]
    with pytest.raises(AccountRefusedError) as caught:
        await twilio_at(raw_server.url, http).send(song_sms())
    assert caught.value.only_some is some


@pytest.mark.parametrize(("code", "doubtful"), [(21211, False), (21610, False), (30007, True), (29999, True)])
async def test_code_that_nobody_knows_leaves_open_whom_it_is_about(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, code: int, *, doubtful: bool
) -> None:
    raw_server.answers = [(400, {}, {"code": code, "message": "no"})]
    with pytest.raises(PermanentSendError) as caught:
        await twilio_at(raw_server.url, http).send(song_sms())
    assert caught.value.doubtful is doubtful


@pytest.mark.parametrize("status", ["undelivered", "failed"])
@pytest.mark.parametrize(
    ("code", "kind"), [(None, PermanentSendError), (30003, PermanentSendError), (30002, AccountRefusedError)]
)
async def test_twilio_taking_a_message_that_it_did_not_send_is_not_sent(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, status: str, code: int | None, kind: type[SendError]
) -> None:
    raw_server.answers = [(201, {}, {"sid": "SM1", "status": status, "error_code": code})]
    with pytest.raises(kind):
        await twilio_at(raw_server.url, http).send(song_sms())


@pytest.mark.parametrize(
    "error",
    [
        {"ErrorCode": "send-0008", "StatusCode": 403, "ErrorRelatedTo": ["From"]},
        {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorRelatedTo": ["From.Email"]},
        {"ErrorCode": "x", "StatusCode": 401},
        {"ErrorCode": "x", "StatusCode": 402},
        {"ErrorCode": "x", "StatusCode": "401"},
        {"ErrorCode": "x", "ErrorRelatedTo": ["sender"]},
        {"ErrorCode": "x", "ErrorRelatedTo": ["FROM.Name"]},
        {"ErrorCode": "x", "ErrorRelatedTo": ["TemplateID"]},
        {"ErrorCode": "send-0010", "StatusCode": 400},
    ],
)
async def test_mailjet_refusing_our_account_is_told_from_a_message_refused(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, error: dict[str, object]
) -> None:
    raw_server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]
    with pytest.raises(AccountRefusedError):
        await mailjet_at(raw_server.url, http).send(song_email())


@pytest.mark.parametrize(("field", "some"), [("From.Name", True), ("From.Email", False), ("From", False)])
async def test_name_of_an_organization_that_mailjet_refuses_holds_its_mails_alone(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, field: str, *, some: bool
) -> None:
    error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorRelatedTo": [field]}
    raw_server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]
    with pytest.raises(AccountRefusedError) as caught:
        await mailjet_at(raw_server.url, http).send(song_email())
    assert caught.value.only_some is some


@pytest.mark.parametrize(
    "words",
    [
        "Your account is temporarily blocked, please contact our support",
        "Your account has been suspended",
        "You have reached your sending limit for today",
        "Insufficient credits",
        "Upgrade your plan to send more",
    ],
)
async def test_words_about_our_account_count_where_mailjet_names_no_field(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, words: str
) -> None:
    error = {"ErrorCode": "send-9999", "StatusCode": 400, "ErrorMessage": words}
    raw_server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]
    with pytest.raises(AccountRefusedError):
        await mailjet_at(raw_server.url, http).send(song_email())


@pytest.mark.parametrize("said", [401, "401"])
async def test_mailjet_refusing_the_call_as_a_whole_is_read_by_its_own_status(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make, said: object
) -> None:
    raw_server.answers = [(400, {}, {"ErrorCode": "mj-0002", "StatusCode": said, "ErrorMessage": "API key inactive"})]
    with pytest.raises(AccountRefusedError):
        await mailjet_at(raw_server.url, http).send(song_email())


async def test_mailjet_refusing_a_recipient_is_for_good(
    raw_server: Any, http: httpx.AsyncClient, song_email: Make
) -> None:
    error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorRelatedTo": ["To[0].Email"]}
    raw_server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]
    with pytest.raises(PermanentSendError):
        await mailjet_at(raw_server.url, http).send(song_email())
