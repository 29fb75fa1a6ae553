"""One suite of properties for every provider, against simulators and a real SMTP server."""

import asyncio
import email
import email.policy
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from singr_comms import (
    ConsoleEmailProvider,
    ConsoleSmsProvider,
    EmailAddress,
    EmailEnvelope,
    EmailProvider,
    MailjetProvider,
    MemoryEmailProvider,
    MemorySmsProvider,
    PermanentSendError,
    SendReceipt,
    SmsEnvelope,
    SmsProvider,
    SmtpProvider,
    TransientError,
    TwilioProvider,
    TwoFactorCode,
    UnknownOutcomeError,
)
from singr_config import Secret
from singr_dev.simulators import MailjetSimulator, Simulator, TwilioSimulator

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr & Co. \N{EIGHTH NOTE}")
IMPATIENT = 0.5
TRACE = {"x-request-id": "req-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
Make = Callable[..., Any]


class Bench(ABC):
    """One provider, and the other side that it talks to."""

    provider: Any

    @abstractmethod
    def texts(self) -> list[str]:
        """What was taken in, each as one text."""

    @abstractmethod
    def refuse_connections(self) -> None:
        """Nobody listens."""

    @abstractmethod
    def hang(self) -> None:
        """The message is read and never answered."""

    @abstractmethod
    def drop(self) -> None:
        """The message is taken, then the connection breaks."""

    @abstractmethod
    def busy(self) -> None:
        """Come back later."""

    @abstractmethod
    def rejected(self, envelope: Any) -> Any:
        """The envelope as this provider will not take it."""


class SimulatorBench(Bench):
    simulator: Simulator

    @abstractmethod
    def build(self, url: str) -> Any:
        """The provider, talking to that address."""

    def refuse_connections(self) -> None:
        self.provider = self.build("http://127.0.0.1:1")

    def hang(self) -> None:
        self.simulator.hang_next()

    def drop(self) -> None:
        self.simulator.accept_then_drop_next()

    def busy(self) -> None:
        self.simulator.fail_next(status=429, retry_after=17)


class MailjetBench(SimulatorBench):
    def __init__(self, simulator: MailjetSimulator, http: httpx.AsyncClient) -> None:
        self.simulator: MailjetSimulator = simulator
        self.http = http
        self.provider = self.build(simulator.base_url)

    def build(self, url: str) -> MailjetProvider:
        return MailjetProvider(
            self.http,
            api_key=Secret(self.simulator.api_key),
            secret_key=Secret(self.simulator.secret_key),
            sender=SENDER,
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=IMPATIENT,
        )

    def texts(self) -> list[str]:
        messages = [one.message for one in self.simulator.received]
        return [m["Subject"] + m["TextPart"] + m["HTMLPart"] for m in messages]

    def rejected(self, envelope: EmailEnvelope) -> EmailEnvelope:
        return msgspec.structs.replace(envelope, to=EmailAddress("jane.doe@localhost"))


class TwilioBench(SimulatorBench):
    def __init__(self, simulator: TwilioSimulator, http: httpx.AsyncClient) -> None:
        self.simulator: TwilioSimulator = simulator
        self.http = http
        self.provider = self.build(simulator.base_url)

    def build(self, url: str) -> TwilioProvider:
        return TwilioProvider(
            self.http,
            account_sid=self.simulator.account_sid,
            auth_token=Secret(self.simulator.auth_token),
            sender=self.simulator.numbers[0],
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=IMPATIENT,
        )

    def texts(self) -> list[str]:
        return [one.message["Body"] for one in self.simulator.received]

    def rejected(self, envelope: SmsEnvelope) -> SmsEnvelope:
        return msgspec.structs.replace(envelope, to="+15005550001")  # Twilio's own number for this error


class SmtpBench(Bench):
    def __init__(self, mailbox: Any, port: int) -> None:
        self.mailbox = mailbox
        self.provider = self.build(port)

    def build(self, port: int) -> SmtpProvider:
        return SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, deadline=IMPATIENT)

    def texts(self) -> list[str]:
        found = []
        for content in self.mailbox.mails:
            mail = email.message_from_bytes(content, policy=email.policy.default)
            parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
            found.append(str(mail["Subject"]) + "".join(parts))
        return found

    def refuse_connections(self) -> None:
        self.provider = self.build(1)

    def hang(self) -> None:
        self.mailbox.data = "hang"

    def drop(self) -> None:
        self.mailbox.data = "drop"

    def busy(self) -> None:
        self.mailbox.data = "451 4.3.0 try later"

    def rejected(self, envelope: EmailEnvelope) -> EmailEnvelope:
        self.mailbox.rcpt_answer = "550 5.1.1 no such user <jane.doe@localhost>"
        return envelope


@pytest.fixture(params=["mailjet", "twilio", "smtp"])
async def bench(
    request: pytest.FixtureRequest,
    http: httpx.AsyncClient,
    mailjet: MailjetSimulator,
    twilio: TwilioSimulator,
    mailbox: Any,
    smtp: Make,
) -> AsyncIterator[Bench]:
    if request.param == "mailjet":
        yield MailjetBench(mailjet, http)
    elif request.param == "twilio":
        yield TwilioBench(twilio, http)
    else:
        async with smtp() as port:
            yield SmtpBench(mailbox, port)


@pytest.fixture
def make(bench: Bench, song_email: Make, song_sms: Make) -> Make:
    return song_sms if isinstance(bench, TwilioBench) else song_email


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
    if not isinstance(bench, SmtpBench):
        assert caught.value.retry_after == 17


async def test_a_rejected_message_means_never_and_names_nobody(bench: Bench, make: Make) -> None:
    envelope = bench.rejected(make())
    with pytest.raises(PermanentSendError) as caught:
        await bench.provider.send(envelope)
    assert caught.value.code in {"mailjet_mj-0013", "twilio_21211", "smtp_550"}
    assert "jane.doe" not in str(caught.value)
    assert "5550001" not in str(caught.value)


async def test_wrong_credentials_mean_never(
    mailjet: MailjetSimulator, twilio: TwilioSimulator, http: httpx.AsyncClient, song_email: Make, song_sms: Make
) -> None:
    key, token = mailjet.api_key, twilio.auth_token
    one, two = MailjetBench(mailjet, http), TwilioBench(twilio, http)
    try:
        mailjet.api_key = twilio.auth_token = "another"
        for provider, envelope in ((one.provider, song_email()), (two.provider, song_sms())):
            with pytest.raises(PermanentSendError) as caught:
                await provider.send(envelope)
            assert caught.value.code in {"mailjet_mj-0015", "twilio_20003"}
    finally:
        mailjet.api_key, twilio.auth_token = key, token


def test_every_provider_fits_its_protocol(bench: Bench) -> None:
    wanted = SmsProvider if isinstance(bench, TwilioBench) else EmailProvider
    assert isinstance(bench.provider, wanted)
    assert bench.provider.takes_idempotency_key is False


@pytest.mark.parametrize(
    "provider",
    [ConsoleEmailProvider(), MemoryEmailProvider(), ConsoleSmsProvider(), MemorySmsProvider()],
    ids=lambda provider: type(provider).__name__,
)
async def test_stand_ins_take_a_message_like_real_providers(provider: Any, song_email: Make, song_sms: Make) -> None:
    made = song_sms() if "Sms" in type(provider).__name__ else song_email()
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
