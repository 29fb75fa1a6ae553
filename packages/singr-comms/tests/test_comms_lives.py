"""What is of no use any more does not arrive: providers that keep what they cannot deliver are told for how long."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from comms_benches import benches
from comms_crowds import Crowd
from msgspec.structs import replace

from singr_comms import InvalidMessageError, PlainPush, PlainSms
from singr_comms.messages.pickup_reminder import MESSAGE_TYPE as REMINDER
from singr_comms.notifying import Target
from singr_config.clock import clock
from singr_dev.simulators import _fcm_rules as fcm_rules

Make = Callable[..., Any]
SAID = dict(REMINDER.samples())


@pytest.fixture
async def fcm(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Any:
    async with benches()["fcm"].open(request, http) as opened:
        yield opened


@pytest.fixture
async def texting(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Any:
    async with benches()["twilio"].open(request, http) as opened:
        yield opened


@pytest.mark.parametrize(("seconds", "kept"), [(3_600, 3_600), (90 * 86_400, 28 * 86_400)])
async def test_push_is_kept_for_a_device_as_long_as_it_is_of_use(
    fcm: Any, plain_push: Make, seconds: int, kept: int
) -> None:
    before = int(clock.time())
    await fcm.provider.send(replace(plain_push(), time_to_live=seconds))
    [sent] = [one.message for one in fcm.simulator.received]
    assert (sent["android"]["ttl"], sent["webpush"]["headers"]["TTL"]) == (f"{kept}s", str(kept))
    assert 0 <= int(sent["apns"]["headers"]["apns-expiration"]) - before - kept <= 60
    assert sent["apns"]["headers"]["apns-collapse-id"], "and a copy replaces it as before"


@pytest.mark.parametrize(("seconds", "kept"), [(300, "300"), (90 * 86_400, "36000")])
async def test_text_waits_in_twilios_queue_as_long_as_it_is_of_use(
    texting: Any, song_sms: Make, seconds: int, kept: str
) -> None:
    await texting.provider.send(replace(song_sms(), time_to_live=seconds))
    [sent] = [one.message for one in texting.simulator.received]
    assert sent["ValidityPeriod"] == kept


async def test_what_nobody_knows_the_life_of_is_sent_as_before(
    fcm: Any, texting: Any, plain_push: Make, song_sms: Make
) -> None:
    await fcm.provider.send(plain_push())
    await texting.provider.send(song_sms())
    assert "ttl" not in fcm.simulator.received[0].message["android"]
    assert "ValidityPeriod" not in texting.simulator.received[0].message
    with pytest.raises(InvalidMessageError):
        await texting.provider.send(replace(song_sms(), time_to_live=0))


async def test_simulators_refuse_a_life_that_the_services_do(texting: Any) -> None:
    push = {"token": "device-token:0123456789", "data": {}}
    for wrong in (
        {"android": {"ttl": "3600"}},
        {"android": {"ttl": "2419201s"}},
        {"webpush": {"headers": {"TTL": "1h"}}},
        {"apns": {"headers": {"apns-expiration": "soon"}}},
    ):
        assert fcm_rules.problem({"message": push | wrong}) is not None, wrong
    assert fcm_rules.problem({"message": push | {"android": {"ttl": "3.5s"}}}) is None
    simulator = texting.simulator
    async with httpx.AsyncClient(auth=(simulator.account_sid, simulator.auth_token)) as client:
        for wrong_period in ("0", "36001", "soon"):
            form = {"To": "+15555550100", "From": simulator.numbers[0], "Body": "1", "ValidityPeriod": wrong_period}
            url = f"{simulator.base_url}/2010-04-01/Accounts/{simulator.account_sid}/Messages.json"
            assert (await client.post(url, data=form)).json()["code"] == 21624, wrong_period


async def test_provider_is_told_what_is_left_of_a_messages_life(bench: Any) -> None:
    crowd = await Crowd.of(bench)
    await crowd.add("u-1")
    await crowd.device("u-1", "device-token:0123456789")
    soon, sender = clock.now() + timedelta(minutes=10), bench.sender()
    asked: list[tuple[Any, dict[str, Any]]] = [
        (SAID["sms"], {}),
        (PlainSms(text="1"), {"expires_at": soon}),
        (SAID["push"], {}),
        (PlainPush(title="1", text="1"), {"expires_at": soon}),
    ]
    for said, how in asked:
        told = await crowd.tell(said, [Target(recipient="u-1")], **how)
        await crowd.decide(told)
        [row] = await crowd.messages(told)
        await sender.send(row.channel, row.id, organization_id=crowd.organization, is_last_attempt=False)
    left = [one.time_to_live for one in (*bench.sms.sent, *bench.push.sent)]
    assert [REMINDER.time_to_live - 60 < one <= REMINDER.time_to_live for one in left[::2]] == [True, True]
    assert [500 < one <= 600 for one in left[1::2]] == [True, True]


async def test_a_hundred_of_the_longest_texts_are_looked_through(texting: Any, song_sms: Make) -> None:
    text, began_at = "🎤" * 1_600, clock.time()
    texting.simulator.queueing = True
    sent = await texting.provider.send(song_sms(text="This one"))
    [resource] = texting.simulator.messages.values()
    for number in range(99):
        texting.simulator.messages[f"SM{number:032}"] = resource | {"sid": f"SM{number:032}", "body": text}
    found = await texting.provider.look_up(song_sms(text="This one"), began_at)
    texting.simulator.queueing = False
    assert found == sent
