"""What the tests of this package share: one sample of every message, and hostile texts."""

import asyncio
import importlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from functools import cache, partial
from typing import Any
from uuid import UUID

import aiosmtpd.smtp
import httpx
import pytest
from comms_desk import Desk
from comms_log import lines  # noqa: F401 — a fixture of several files
from comms_stage import Stage
from comms_tenants import blue_note, tenant  # noqa: F401 — fixtures of several files
from comms_tls import tls_of_a_server
from sqlalchemy import text

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    EmailMessage,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    Message,
    PlainPush,
    PlainSms,
    PushEnvelope,
    SendReceipt,
    SmsEnvelope,
    SmsMessage,
    SongRequest,
    message_types,
)
from singr_comms.notifications import Delivered, EmailRequest, MessageSender, queue_email
from singr_comms.people import PreferencesLook
from singr_config import LimitSettings, Secret
from singr_db import Database, Sealer
from singr_dev.clock import VirtualClock
from singr_dev.simulators import Simulator
from singr_observability import Metrics, build_metrics

# What httpx imports at its first call: no test's deadline is spent on that.
for _module in ("anyio._backends._asyncio", "httpcore", "h11"):
    importlib.import_module(_module)


def _examples(channel: str) -> tuple[Callable[[str], Message], ...]:
    """Every example of every type that travels by a channel."""
    return tuple(
        example for one in message_types for example in one.examples if type(example("Jane")) is one.models.get(channel)
    )


EMAILS = _examples("email")
SMS = _examples("sms")


@pytest.fixture(params=EMAILS, ids=range(len(EMAILS)))
def email_of(request: pytest.FixtureRequest) -> Callable[[str], EmailMessage]:
    """Each e-mail in turn, as a function of the names in it."""
    made: Callable[[str], EmailMessage] = request.param
    return made


@pytest.fixture(params=SMS, ids=range(len(SMS)))
def sms_of(request: pytest.FixtureRequest) -> Callable[[str], SmsMessage]:
    """Each SMS in turn, as a function of the names in it."""
    made: Callable[[str], SmsMessage] = request.param
    return made


@pytest.fixture
def song_email() -> Callable[..., EmailEnvelope]:
    """Makes an envelope with a song request."""

    def make(token: str = "token-1", **changes: Any) -> EmailEnvelope:
        variables = {
            "venue_name": "Café Müller",
            "artist": "Simon & Garfunkel",
            "title": "The <Boxer>",
            "link": "https://singr.example/requests",
        } | changes
        return EmailEnvelope(
            to=EmailAddress("jane@example.org", "Jane Ünal"), message=SongRequest(**variables), idempotency_token=token
        )

    return make


@pytest.fixture
def song_sms() -> Callable[..., SmsEnvelope]:
    """Makes an envelope with a plain SMS."""

    def make(token: str = "token-1", text: str = "Café <Müller> & Söhne") -> SmsEnvelope:
        return SmsEnvelope(to="+15555550100", message=PlainSms(text=text), idempotency_token=token)

    return make


@pytest.fixture
def plain_push() -> Callable[..., PushEnvelope]:
    """Makes an envelope with a plain push."""

    def make(token: str = "token-1", to: str = "device-token:0123456789", **changes: Any) -> PushEnvelope:
        variables = {"title": "Café <Müller>", "text": "You & Söhne are next"} | changes
        return PushEnvelope(to=to, message=PlainPush(**variables), idempotency_token=token)

    return make


@pytest.fixture
def envelopes(song_email: Any, song_sms: Any, plain_push: Any) -> dict[str, Callable[..., Any]]:
    """What makes an envelope, by channel."""
    return {"email": song_email, "sms": song_sms, "push": plain_push}


@pytest.fixture(scope="session")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    return tls_of_a_server(tmp_path_factory.mktemp("tls"))


class RawServer:
    """Answers HTTP with whatever it is told, well-formed or not: what no well-behaved simulator says."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str], object]] = []
        self.mode = "answer"
        self.default: Callable[[dict[str, Any]], tuple[int, dict[str, str], object]] = lambda _: (200, {}, {})
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["RawServer"]:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            request = {"path": first.split()[1], "headers": headers, "body": body.decode()}
            self.received.append(request)
            if self.mode == "hang":
                await reader.read()
            if self.mode == "drip":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            if self.mode == "answer":
                status, extra, answer = self.answers.pop(0) if self.answers else self.default(request)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                fields = {"content-length": str(len(content)), "connection": "close"} | extra
                text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode() + content)
                await writer.drain()
        except ConnectionError:
            pass  # the caller hung up, as it should
        finally:
            writer.close()


@pytest.fixture
async def raw_server() -> AsyncIterator[RawServer]:
    """A server that answers as told."""
    async with RawServer().serve() as running:
        yield running


@pytest.fixture(scope="session")
def _running_simulators() -> Iterator[Callable[[type[Simulator]], Simulator]]:
    with ExitStack() as stack:
        yield cache(lambda kind: stack.enter_context(kind().serve()))


@pytest.fixture
def running(
    _running_simulators: Callable[[type[Simulator]], Simulator],
) -> Callable[[type[Simulator]], Simulator]:
    """`running(ResendSimulator)`: the one that runs for all tests, with nothing received yet."""

    def fresh(kind: type[Simulator]) -> Simulator:
        simulator = _running_simulators(kind)
        simulator.reset()
        return simulator

    return fresh


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client as an application shares it."""
    async with httpx.AsyncClient() as client:
        yield client


class Mailbox:
    """The handler of a real SMTP server; its answers can be set."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.envelopes: list[Any] = []
        self.sessions: list[Any] = []
        self.rcpt_answer = "250 OK"
        self.data: str = "250 taken"

    async def handle_EHLO(self, _server: Any, session: Any, _envelope: Any, name: str, offers: list[str]) -> list[str]:  # noqa: N802 - aiosmtpd's name
        session.host_name = name
        return [offers[0], "250-PIPELINING", *offers[1:]]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if self.rcpt_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content)
        self.envelopes.append(envelope)
        self.sessions.append(session)
        if self.data == "hang":
            await asyncio.sleep(3600)
        if self.data == "drop":
            server.transport.abort()
            return "250 never read"
        return self.data


@asynccontextmanager
async def smtp_server(mailbox: Mailbox, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    sessions: list[aiosmtpd.smtp.SMTP] = []

    def session() -> aiosmtpd.smtp.SMTP:
        sessions.append(aiosmtpd.smtp.SMTP(mailbox, hostname="mx.example", loop=loop, **options))
        return sessions[-1]

    server = await loop.create_server(session, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in sessions:
            if one.transport is not None:
                one.transport.abort()
            if one._handler_coroutine is not None:
                one._handler_coroutine.cancel()
                await asyncio.gather(one._handler_coroutine, return_exceptions=True)


@pytest.fixture
def mailbox() -> Mailbox:
    """What a real SMTP server took in, and how it answers."""
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox) -> Callable[..., AbstractAsyncContextManager[int]]:
    """`async with smtp() as port`: a real SMTP server before the mailbox."""
    return partial(smtp_server, mailbox)


ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")


class ProbedProvider(MemoryEmailProvider):
    """A provider that runs something before and after it takes a message."""

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        super().__init__(takes_idempotency_key=takes_idempotency_key)
        self.before: list[Callable[[], Any]] = []
        self.after: list[Callable[[], Any]] = []
        self.calls = 0
        self.called = asyncio.Event()

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        self.calls += 1
        self.called.set()
        for step in self.before[:1]:
            del self.before[0]
            await step()
        receipt = await super().send(envelope)
        for step in self.after[:1]:
            del self.after[0]
            await step()
        return receipt


class LedgerBench:
    """A database, a provider, and a sender between them."""

    organization = ORGANIZATION

    def __init__(self, db: Database) -> None:
        self.db = db
        self.sealer = Sealer(Secret("o" * 40))
        self.email = ProbedProvider()
        self.sms = MemorySmsProvider()
        self.push = MemoryPushProvider()
        self.metrics: Metrics = build_metrics()
        self.limits = LimitSettings()

    def sender(self, *, in_flight: float | None = 0.0, db: Any = None, email: Any = None) -> MessageSender:
        return MessageSender(
            db or self.db,
            self.sealer,
            email=email or self.email,
            sms=self.sms,
            push=self.push,
            limits=self.limits,
            metrics=self.metrics,
            in_flight=in_flight,
            last_look=PreferencesLook(),
        )

    async def queue(
        self,
        message: EmailMessage,
        *,
        user_id: UUID | None = None,
        to: str = "jane@example.org",
        organization: UUID = ORGANIZATION,
    ) -> UUID:
        request = EmailRequest(to=EmailAddress(to), message=message, user_id=user_id)
        async with self.db.tenant(organization) as session:
            queued = await queue_email(session, request, sealer=self.sealer, organization_id=organization)
        assert queued.message_id is not None
        return queued.message_id

    async def send(
        self, message_id: UUID, *, last: bool = False, in_flight: float | None = 0.0, organization: UUID = ORGANIZATION
    ) -> Delivered:
        sender = self.sender(in_flight=in_flight)
        return await sender.send("email", message_id, organization_id=organization, is_last_attempt=last)

    async def row(self, message_id: UUID) -> Any:
        async with self.db.platform() as session:
            found = await session.execute(text("SELECT * FROM messages WHERE id = :id"), {"id": message_id})
            return found.one()

    async def attempts(self, message_id: UUID) -> list[Any]:
        query = text("SELECT * FROM message_attempts WHERE message_id = :id ORDER BY attempt")
        async with self.db.platform() as session:
            return list((await session.execute(query, {"id": message_id})).all())

    async def story(self, message_id: UUID) -> tuple[str, list[str]]:
        return (await self.row(message_id)).status, [one.status for one in await self.attempts(message_id)]


@pytest.fixture
def bench(db: Database) -> LedgerBench:
    """A database, a provider, and a sender between them."""
    return LedgerBench(db)


@pytest.fixture
def stage(bench: Any, clock: VirtualClock) -> Stage:
    """Two providers and two processes."""
    return Stage(bench, clock)


@pytest.fixture
def desk(bench: LedgerBench) -> Desk:
    """One sender as a worker keeps it, on a clock that tests move."""
    return Desk(bench)
