"""One suite of properties for every provider, against simulators and a real SMTP server."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from comms_benches import Bench, benches

import singr_comms.providers
from singr_comms import (
    AccountRefusedError,
    ConsoleEmailProvider,
    ConsolePushProvider,
    ConsoleSmsProvider,
    DeclarationError,
    EmailAddress,
    EmailEnvelope,
    EmailProvider,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    PermanentSendError,
    PushProvider,
    SendReceipt,
    SmsEnvelope,
    SmsProvider,
    TransientError,
    TwoFactorCode,
    UnknownOutcomeError,
)
from singr_comms.channels import CHANNELS
from singr_comms.providers._console import ConsoleProvider
from singr_comms.providers._factory import provider_types
from singr_comms.providers._memory import MemoryProvider
from singr_config import EmailProviderName, PushProviderName, SmsProviderName

Make = Callable[..., Any]
BENCHES = benches()


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def bench(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> AsyncIterator[Bench]:
    async with request.param.open(request, http) as opened:
        yield opened


@pytest.fixture
def make(bench: Bench, envelopes: dict[str, Make]) -> Make:
    return envelopes[bench.channel]


def test_every_provider_that_can_be_chosen_is_in_this_suite() -> None:
    assert {*EmailProviderName, *SmsProviderName, *PushProviderName} - {"console"} == set(BENCHES)


def test_every_provider_that_can_be_chosen_is_declared_and_no_other() -> None:
    for channel, names in (("email", EmailProviderName), ("sms", SmsProviderName), ("push", PushProviderName)):
        assert {name for of, name in provider_types() if of == channel} == {*names} - {"console"}


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
def test_every_channel_has_stand_ins_without_a_line_of_their_own(channel: Any) -> None:
    for provider in (ConsoleProvider(channel), MemoryProvider(channel)):
        assert isinstance(provider, EmailProvider)
        assert provider.name in {"console", "memory"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('ProviderType("postbox", "fax", print)', "there is no channel fax; there are email, push, sms"),
        ('ProviderType("mailjet", "email", print)', "there is one of this name for email already"),
        ('ProviderType("console", "email", print)', "there is one of this name for email already"),
        ("None", "declares no PROVIDER: write `PROVIDER = ProviderType"),
    ],
)
def test_a_provider_that_is_declared_wrong_is_told_how_it_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    module = "from singr_comms.providers._provider import ProviderType\n" + f"PROVIDER = {line}\n"
    (tmp_path / "zz_postbox.py").write_text(module)
    monkeypatch.setattr(singr_comms.providers, "__path__", [*singr_comms.providers.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "singr_comms.providers.zz_postbox", raising=False)
    with pytest.raises(DeclarationError, match=re.escape(says)):
        provider_types.__wrapped__()
    sys.modules.pop("singr_comms.providers.zz_postbox", None)


async def test_a_message_arrives_whole_and_its_id_is_kept(bench: Bench, make: Make) -> None:
    receipt = await bench.provider.send(make())
    assert receipt.provider == bench.provider.name
    assert receipt.provider_message_id
    (text,) = bench.texts()
    assert "Café" in text
    assert "Müller" in text


async def test_nobody_listening_means_not_sent(bench: Bench, make: Make) -> None:
    bench.refuse_connections()
    with pytest.raises(TransientError) as caught:
        await bench.provider.send(make())
    assert caught.value.code == "connection"


async def test_no_answer_means_unknown(bench: Bench, make: Make) -> None:
    bench.hang()
    with pytest.raises(UnknownOutcomeError) as caught:
        await bench.provider.send(make())
    assert caught.value.code == "timeout"


async def test_a_connection_cut_after_the_message_means_unknown(bench: Bench, make: Make) -> None:
    bench.drop()
    with pytest.raises(UnknownOutcomeError) as caught:
        await bench.provider.send(make())
    assert caught.value.code == "connection"


async def test_a_busy_provider_means_try_later(bench: Bench, make: Make) -> None:
    bench.busy()
    with pytest.raises(TransientError) as caught:
        await bench.provider.send(make())
    assert caught.value.retry_after == (17 if bench.says_when else None)


async def test_a_rejected_message_means_never_and_names_nobody(bench: Bench, make: Make) -> None:
    envelope = bench.rejected(make())
    with pytest.raises(PermanentSendError) as caught:
        await bench.provider.send(envelope)
    assert caught.value.code == bench.rejection
    assert "jane.doe" not in str(caught.value)
    assert "5550001" not in str(caught.value)


@pytest.mark.parametrize("bench", [one for one in BENCHES.values() if one.unauthorized], indirect=True)
async def test_wrong_credentials_are_about_us_and_not_about_the_message(bench: Bench, make: Make) -> None:
    bench.forget_credentials()
    with pytest.raises(AccountRefusedError) as caught:
        await bench.provider.send(make())
    assert caught.value.code == bench.unauthorized


def test_every_provider_fits_its_protocol(bench: Bench) -> None:
    assert isinstance(bench.provider, {"email": EmailProvider, "sms": SmsProvider, "push": PushProvider}[bench.channel])
    assert bench.provider.takes_idempotency_key is bench.drops_copies


async def test_a_message_sent_again_arrives_once_where_the_provider_says_so(bench: Bench, make: Make) -> None:
    for _ in range(2):
        await bench.provider.send(make())
    assert len(bench.texts()) == (1 if bench.drops_copies else 2)


@pytest.mark.parametrize(
    "provider",
    [
        *(ConsoleEmailProvider(), ConsoleSmsProvider(), ConsolePushProvider()),
        *(MemoryEmailProvider(), MemorySmsProvider(), MemoryPushProvider()),
    ],
    ids=lambda provider: type(provider).__name__,
)
async def test_stand_ins_take_a_message_like_real_providers(provider: Any, envelopes: dict[str, Make]) -> None:
    made = next(make() for channel, make in envelopes.items() if channel in type(provider).__name__.lower())
    receipt = await provider.send(made)
    assert receipt == SendReceipt(provider.name, f"{provider.name}-token-1")


async def test_cancelling_a_send_leaves_no_task_behind(bench: Bench, make: Make) -> None:
    bench.hang()
    task = asyncio.create_task(bench.provider.send(make()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- console and memory ----------------------------------------------------------------------------------------------


async def test_the_console_hides_words_and_people_unless_told_to_show() -> None:
    lines: list[str] = []
    message = TwoFactorCode(user_name="Jane", code="735104", expiry_minutes=5)
    envelope = EmailEnvelope(to=EmailAddress("jane@example.org"), message=message, idempotency_token="t")
    await ConsoleEmailProvider(log=lines.append).send(envelope)
    assert "735104" not in lines[0]
    await ConsoleEmailProvider(log=lines.append, show_content=True).send(envelope)
    assert "735104" in lines[1]
    assert not any("jane@example.org" in line for line in lines)
    assert all("two_factor_code" in line for line in lines)


async def test_the_console_tells_what_an_sms_would_cost(song_sms: Make) -> None:
    lines: list[str] = []
    await ConsoleSmsProvider(log=lines.append, show_content=True).send(song_sms(text="a" * 161))
    assert "GSM-7, parts: 2" in lines[0]
    assert "+15555550100" not in lines[0]


async def test_memory_fails_on_order_and_drops_copies_where_told(song_sms: Make) -> None:
    provider = MemorySmsProvider(takes_idempotency_key=True)
    provider.fail_next(TransientError("busy", "busy"))
    with pytest.raises(TransientError):
        await provider.send(song_sms())
    first: SmsEnvelope = song_sms()
    assert await provider.send(first) == await provider.send(first)
    assert provider.sent == [first]
