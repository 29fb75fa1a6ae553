"""What is particular to Salum: numbers without a plus, errors inside a 200, and its spelling."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from singr_comms import (
    AccountRefusedError,
    PermanentSendError,
    SalumProvider,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_config import Secret
from singr_dev.simulators import SalumSimulator

Make = Callable[..., Any]


def at(url: str, http: httpx.AsyncClient) -> SalumProvider:
    return SalumProvider(http, api_key=Secret("salum-api-key"), partner_id="1234", shortcode="SINGR", base_url=url)


async def test_what_is_sent_is_what_its_package_sends(
    running: Callable[..., Any], http: httpx.AsyncClient, song_sms: Make
) -> None:
    simulator: SalumSimulator = running(SalumSimulator)
    receipt = await at(simulator.base_url, http).send(song_sms())
    [received] = simulator.received
    assert receipt.provider_message_id == received.id
    assert received.message == {
        "partnerID": "1234",
        "message": "Café <Müller> & Söhne",
        "shortcode": "SINGR",
        "mobile": "15555550100",
    }


CODES: tuple[tuple[object, type[SendError], float | None], ...] = (
    (1001, AccountRefusedError, None),
    ("1004", AccountRefusedError, None),
    (1006, AccountRefusedError, None),
    (4092, AccountRefusedError, None),
    (1003, PermanentSendError, None),
    (1005, TransientError, None),
    (4090, TransientError, 300.0),
    (4711, PermanentSendError, None),
)


@pytest.mark.parametrize(("code", "kind", "wait"), CODES)
@pytest.mark.parametrize("field", ["respose-code", "response-code"])
async def test_each_code_inside_a_200_has_its_meaning(
    raw_server: Any,
    http: httpx.AsyncClient,
    song_sms: Make,
    code: object,
    kind: type[SendError],
    wait: float | None,
    field: str,
) -> None:
    raw_server.answers = [(200, {}, {"responses": [{field: code, "response-description": "to 15555550100"}]})]
    with pytest.raises(SendError) as caught:
        await at(raw_server.url, http).send(song_sms())
    assert type(caught.value) is kind
    assert caught.value.code == f"salum_{code}"
    assert getattr(caught.value, "retry_after", None) == wait
    assert "15555550100" not in str(caught.value)


async def test_network_that_the_account_may_not_write_to_holds_this_message_alone(
    running: Callable[..., Any], http: httpx.AsyncClient, song_sms: Make
) -> None:
    simulator: SalumSimulator = running(SalumSimulator)
    simulator.refused_networks = ("1555",)
    try:
        with pytest.raises(AccountRefusedError) as caught:
            await at(simulator.base_url, http).send(song_sms())
    finally:
        simulator.refused_networks = ()
    assert (caught.value.code, caught.value.only_some) == ("salum_1002", True)


async def test_error_beside_the_list_is_read_too(raw_server: Any, http: httpx.AsyncClient, song_sms: Make) -> None:
    raw_server.answers = [(200, {}, {"respose-code": 1006, "response-description": "Invalid credentials"})]
    with pytest.raises(AccountRefusedError) as caught:
        await at(raw_server.url, http).send(song_sms())
    assert caught.value.code == "salum_1006"


@pytest.mark.parametrize(
    "body", [b"", b"OK", {}, {"responses": []}, {"responses": [7]}, {"responses": [{"respose-code": None}]}]
)
async def test_success_without_a_code_is_unknown(
    raw_server: Any, http: httpx.AsyncClient, song_sms: Make, body: object
) -> None:
    raw_server.answers = [(200, {}, body)]
    with pytest.raises(UnknownOutcomeError):
        await at(raw_server.url, http).send(song_sms())
