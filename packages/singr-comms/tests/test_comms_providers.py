"""One suite of properties for every provider, against real sockets; then what is particular to each."""

import asyncio
import email
import email.policy
import json
import ssl
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from aiosmtpd.smtp import SMTP as SmtpServer

from singr_comms import (
    ConsoleEmailProvider,
    ConsoleSmsProvider,
    EmailAddress,
    EmailEnvelope,
    MailjetProvider,
    MemoryEmailProvider,
    MemorySmsProvider,
    PermanentSendError,
    SendError,
    SendReceipt,
    SmsEnvelope,
    SmtpProvider,
    TransientError,
    TwilioProvider,
    TwoFactorCode,
    UnknownOutcomeError,
    Verification,
    render_email,
)
from singr_config import Secret

SENDER = EmailAddress("noreply@singr.example", "Singr & Co. \N{EIGHTH NOTE}")
IMPATIENT = 0.5
TRACE = {"x-request-id": "req-1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}


class HttpServer:
    """A provider's HTTP side, in miniature: answers as told and keeps what it was sent."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str], object]] = []
        self.mode = "answer"
        self.default: Callable[[dict[str, Any]], tuple[int, dict[str, str], object]] = lambda _: (200, {}, {})
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["HttpServer"]:
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
            if self.mode == "answer":
                status, extra, answer = self.answers.pop(0) if self.answers else self.default(request)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                fields = {"content-length": str(len(content)), "connection": "close"} | extra
                text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode() + content)
                await writer.drain()
        finally:
            writer.close()


class Bench(ABC):
    """One provider, and the other side that it talks to."""

    provider: Any

    @abstractmethod
    def texts(self) -> list[str]:
        """What was delivered, each as one text."""

    @abstractmethod
    def refuse_connections(self) -> None:
        """Nobody listens."""

    @abstractmethod
    def hang(self) -> None:
        """The message is read and never answered."""

    @abstractmethod
    def drop(self) -> None:
        """The message is read, then the connection breaks."""

    @abstractmethod
    def busy(self) -> None:
        """Come back later."""

    @abstractmethod
    def reject(self) -> None:
        """This message is not acceptable."""


async def closed_port() -> int:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


# --- Mailjet and Twilio ----------------------------------------------------------------------------------------------


def mailjet_accepts(request: dict[str, Any]) -> tuple[int, dict[str, str], object]:
    messages = json.loads(request["body"])["Messages"]
    entries = [
        {"Status": "success", "CustomID": m["CustomID"], "To": [{"Email": m["To"][0]["Email"], "MessageID": 1000 + i}]}
        for i, m in enumerate(messages)
    ]
    return 200, {}, {"Messages": entries}


class MailjetBench(Bench):
    def __init__(self, server: HttpServer, http: httpx.AsyncClient, **options: Any) -> None:
        self.server = server
        self.http = http
        server.default = mailjet_accepts
        self.provider = self.build(server.url, **options)

    def build(self, url: str, **options: Any) -> MailjetProvider:
        return MailjetProvider(
            self.http,
            api_key=Secret("key"),
            secret_key=Secret("secret"),
            sender=SENDER,
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=IMPATIENT,
            **options,
        )

    def messages(self) -> list[dict[str, Any]]:
        return [m for request in self.server.received for m in json.loads(request["body"])["Messages"]]

    def texts(self) -> list[str]:
        return [m["Subject"] + m["TextPart"] + m["HTMLPart"] for m in self.messages()]

    def refuse_connections(self) -> None:
        self.provider = self.build("http://127.0.0.1:1")

    def hang(self) -> None:
        self.server.mode = "hang"

    def drop(self) -> None:
        self.server.mode = "drop"

    def busy(self) -> None:
        self.server.answers = [(429, {"retry-after": "17"}, {"ErrorMessage": "slow down", "StatusCode": 429})]

    def reject(self) -> None:
        error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorMessage": '"jane@example.org" is invalid'}
        self.server.answers = [(400, {}, {"Messages": [{"Status": "error", "Errors": [error]}]})]


class TwilioBench(Bench):
    def __init__(self, server: HttpServer, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http
        server.default = lambda _: (201, {}, {"sid": "SM" + "0" * 32, "status": "queued", "error_code": None})
        self.provider = self.build(server.url)

    def build(self, url: str) -> TwilioProvider:
        return TwilioProvider(
            self.http,
            account_sid="AC1",
            auth_token=Secret("token"),
            sender="+15555550199",
            base_url=url,
            trace_headers=lambda: TRACE,
            deadline=IMPATIENT,
        )

    def texts(self) -> list[str]:
        return [parse_qs(request["body"])["Body"][0] for request in self.server.received]

    def refuse_connections(self) -> None:
        self.provider = self.build("http://127.0.0.1:1")

    def hang(self) -> None:
        self.server.mode = "hang"

    def drop(self) -> None:
        self.server.mode = "drop"

    def busy(self) -> None:
        self.server.answers = [(429, {"retry-after": "17"}, {"code": 20429, "message": "Too Many Requests"})]

    def reject(self) -> None:
        words = "The 'To' number +15555550100 is not a valid phone number."
        self.server.answers = [(400, {}, {"code": 21211, "message": words, "status": 400})]


# --- SMTP ------------------------------------------------------------------------------------------------------------


class Mailbox:
    """The handler of a real SMTP server; its answers can be set."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.envelopes: list[Any] = []
        self.sessions: list[Any] = []
        self.rcpt_answer = "250 OK"
        self.data: str = "250 taken"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
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
    sessions: list[SmtpServer] = []

    def session() -> SmtpServer:
        sessions.append(SmtpServer(mailbox, hostname="mx.example", loop=loop, **options))
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


class SmtpBench(Bench):
    def __init__(self, mailbox: Mailbox, port: int) -> None:
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

    def reject(self) -> None:
        self.mailbox.rcpt_answer = "550 5.1.1 no such user <jane@example.org>"


# --- the suite -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer().serve() as running:
        yield running


@pytest.fixture(params=["mailjet", "twilio", "smtp"])
async def bench(request: pytest.FixtureRequest, http: httpx.AsyncClient, server: HttpServer) -> AsyncIterator[Bench]:
    if request.param == "mailjet":
        yield MailjetBench(server, http)
    elif request.param == "twilio":
        yield TwilioBench(server, http)
    else:
        mailbox = Mailbox()
        async with smtp_server(mailbox) as port:
            yield SmtpBench(mailbox, port)


Make = Callable[..., Any]


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
    bench.reject()
    with pytest.raises(PermanentSendError) as caught:
        await bench.provider.send(make())
    assert caught.value.code in {"mailjet_mj-0013", "twilio_21211", "smtp_550"}
    assert "jane@example.org" not in str(caught.value)
    assert "5555550100" not in str(caught.value)


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


# --- HTTP providers --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["mailjet", "twilio"])
def over_http(request: pytest.FixtureRequest, http: httpx.AsyncClient, server: HttpServer) -> Bench:
    return MailjetBench(server, http) if request.param == "mailjet" else TwilioBench(server, http)


def envelope_for(bench: Bench, song_email: Make, song_sms: Make) -> Any:
    return song_sms() if isinstance(bench, TwilioBench) else song_email()


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
    over_http: Bench,
    server: HttpServer,
    song_email: Make,
    song_sms: Make,
    status: int,
    headers: dict[str, str],
    kind: type[SendError],
    wait: float | None,
    body: object,
) -> None:
    server.answers = [(status, headers, body)]
    with pytest.raises(kind) as caught:
        await over_http.provider.send(envelope_for(over_http, song_email, song_sms))
    assert getattr(caught.value, "retry_after", None) == wait
    assert caught.value.code == f"{over_http.provider.name}_http_{status}"


@pytest.mark.parametrize("body", [b"", b"OK", {}, [], {"Messages": []}, {"Messages": "x"}, {"sid": 7}])
async def test_success_without_a_readable_answer_is_unknown(
    over_http: Bench, server: HttpServer, song_email: Make, song_sms: Make, body: object
) -> None:
    server.answers = [(200, {}, body)]
    with pytest.raises(UnknownOutcomeError):
        await over_http.provider.send(envelope_for(over_http, song_email, song_sms))


async def test_provider_calls_carry_credentials_and_the_callers_trace(
    over_http: Bench, server: HttpServer, song_email: Make, song_sms: Make
) -> None:
    await over_http.provider.send(envelope_for(over_http, song_email, song_sms))
    headers = server.received[0]["headers"]
    assert {name: headers[name] for name in TRACE} == TRACE
    user, _, password = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (user, password) in {("key", "secret"), ("AC1", "token")}


async def test_an_unknown_host_means_not_sent(http: httpx.AsyncClient, song_email: Make) -> None:
    provider = MailjetProvider(
        http, api_key=Secret("k"), secret_key=Secret("s"), sender=SENDER, base_url="http://nowhere.invalid"
    )
    with pytest.raises(TransientError):
        await provider.send(song_email())


async def test_an_answer_that_drips_is_cut_off(server: HttpServer, http: httpx.AsyncClient, song_sms: Make) -> None:
    bench = TwilioBench(server, http)
    server.default = lambda _: (200, {"content-length": "1000"}, b"{")
    with pytest.raises(UnknownOutcomeError):
        await bench.provider.send(song_sms())


# --- Mailjet ---------------------------------------------------------------------------------------------------------


async def test_mailjet_own_parts_and_custom_id(server: HttpServer, http: httpx.AsyncClient, song_email: Make) -> None:
    bench = MailjetBench(server, http)
    envelope = song_email("token-77")
    receipt = await bench.provider.send(envelope)
    assert receipt == SendReceipt("mailjet", "1000")
    assert server.received[0]["path"] == "/v3.1/send"
    (message,) = bench.messages()
    rendered = render_email(envelope.message)
    assert message == {
        "From": {"Email": SENDER.email, "Name": SENDER.name},
        "To": [{"Email": "jane@example.org", "Name": "Jane Ünal"}],
        "CustomID": "token-77",
        "Subject": rendered.subject,
        "TextPart": rendered.text,
        "HTMLPart": rendered.html,
    }
    assert "SandboxMode" not in json.loads(server.received[0]["body"])


async def test_mailjet_templates_get_the_variables_of_the_specification(
    server: HttpServer, http: httpx.AsyncClient
) -> None:
    bench = MailjetBench(server, http, templates={"verification": 4711, "welcome": 0}, sandbox=True)
    message = Verification(
        user_name='<b>"Jane"</b> {{var:x}}',
        verification_link="https://singr.example/?a=b&c=d",
        verification_code="042917",
        expiry_hours=24,
    )
    await bench.provider.send(EmailEnvelope(to=EmailAddress("j@x.org"), message=message, idempotency_token="t"))
    assert json.loads(server.received[0]["body"])["SandboxMode"] is True
    (sent,) = bench.messages()
    assert sent["TemplateID"] == 4711
    assert sent["TemplateLanguage"] is True
    assert "Subject" not in sent
    variables = sent["Variables"]
    assert variables.pop("user_name").count("<") == 0
    assert variables == {
        "verification_link": "https://singr.example/?a=b&c=d",
        "verification_code": "042917",
        "expiry_hours": 24,
    }


async def test_mailjet_bulk_sends_fifty_a_call_with_an_outcome_each(
    server: HttpServer, http: httpx.AsyncClient, song_email: Make
) -> None:
    bench = MailjetBench(server, http)

    def every_third_fails(request: dict[str, Any]) -> tuple[int, dict[str, str], object]:
        error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorMessage": "invalid"}
        _, _, answer = mailjet_accepts(request)
        assert isinstance(answer, dict)
        entries = [
            {"Status": "error", "Errors": [error]} if number % 3 == 0 else entry
            for number, entry in enumerate(answer["Messages"])
        ]
        return 400, {}, {"Messages": entries}

    server.default = every_third_fails
    envelopes = [song_email(f"token-{number}") for number in range(120)]
    envelopes[60] = song_email("token-60", title="broken\n")
    outcomes = await bench.provider.send_many(envelopes)
    assert [len(json.loads(request["body"])["Messages"]) for request in server.received] == [50, 50, 19]
    assert len(outcomes) == 120
    assert isinstance(outcomes[60], PermanentSendError)
    assert outcomes[60].code == "invalid_message"
    assert isinstance(outcomes[0], PermanentSendError)
    assert outcomes[1] == SendReceipt("mailjet", "1001")
    ids = [m["CustomID"] for m in bench.messages()]
    assert ids == [f"token-{number}" for number in range(120) if number != 60]


async def test_mailjet_bulk_keeps_the_outcomes_of_calls_that_worked(
    server: HttpServer, http: httpx.AsyncClient, song_email: Make
) -> None:
    bench = MailjetBench(server, http)
    outcomes = await bench.provider.send_many([])
    assert outcomes == []
    server.answers = [(503, {"retry-after": "9"}, {})]
    outcomes = await bench.provider.send_many([song_email(f"token-{number}") for number in range(60)])
    assert {type(outcome) for outcome in outcomes[:50]} == {TransientError}
    assert {type(outcome) for outcome in outcomes[50:]} == {SendReceipt}


# --- SMTP ------------------------------------------------------------------------------------------------------------


async def test_smtp_mail_is_seven_bit_with_both_parts_and_a_stable_message_id(song_email: Make) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        bench = SmtpBench(mailbox, port)
        receipt = await bench.provider.send(song_email("token-9"))
        again = await bench.provider.send(song_email("token-9"))
    assert receipt.provider_message_id == again.provider_message_id == "<token-9@singr.example>"
    assert mailbox.mails[0].isascii()
    assert max(len(line) for line in mailbox.mails[0].split(b"\r\n")) <= 998
    mail = email.message_from_bytes(mailbox.mails[0], policy=email.policy.default)
    assert mail["Message-ID"] == "<token-9@singr.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == str(mail["From"])
    assert mail["From"].addresses[0].display_name == SENDER.name
    assert mail["To"].addresses[0].display_name == "Jane Ünal"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mailbox.envelopes[0].rcpt_tos == ["jane@example.org"]
    assert mailbox.envelopes[0].mail_from == SENDER.email


INJECTIONS = [
    "a\r\nBcc: x@evil.example",
    "a\nBcc: x@evil.example",
    "a\rBcc: x",
    "a\x0bBcc: x",
    "a\u2028Bcc: x",
    "a\r\n.\r\nMAIL FROM:<x@evil.example>",
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("place", ["title", "venue_name", "to.name", "to.email", "token"])
async def test_no_line_can_be_added_to_a_mail(text: str, place: str, song_email: Make) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        envelope = song_email()
        if place == "token":
            envelope = song_email(text)
        elif place.startswith("to."):
            address = EmailAddress("jane@example.org", text) if place == "to.name" else EmailAddress(text + "@x.org")
            envelope = EmailEnvelope(to=address, message=envelope.message, idempotency_token="t")
        else:
            envelope = song_email(**{place: text})
        with pytest.raises(ValueError, match=r".+"):
            await SmtpBench(mailbox, port).provider.send(envelope)
    assert mailbox.mails == []


async def test_a_line_with_a_lone_dot_does_not_end_a_mail(song_email: Make) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        bench = SmtpBench(mailbox, port)
        await bench.provider.send(song_email(title="."))
    assert "New request" in bench.texts()[0]
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(("answer", "kind"), [("451 later", TransientError), ("554 no", PermanentSendError)])
async def test_smtp_refusals_are_sorted_by_their_first_digit(
    answer: str, kind: type[SendError], song_email: Make
) -> None:
    for place in ("rcpt_answer", "data"):
        mailbox = Mailbox()
        setattr(mailbox, place, answer)
        async with smtp_server(mailbox) as port:
            with pytest.raises(kind) as caught:
                await SmtpBench(mailbox, port).provider.send(song_email())
        assert caught.value.code == f"smtp_{answer[:3]}"


async def test_starttls_is_used_when_offered(song_email: Make, server_tls: ssl.SSLContext) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox, tls_context=server_tls, require_starttls=True) as port:
        await SmtpBench(mailbox, port).provider.send(song_email())
    assert mailbox.sessions[0].ssl is not None


async def test_a_certificate_that_nobody_vouches_for_is_refused_beyond_this_machine(
    song_email: Make, server_tls: ssl.SSLContext
) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox, host="127.0.0.2", tls_context=server_tls) as port:
        provider = SmtpProvider(host="127.0.0.2", port=port, sender=SENDER, deadline=IMPATIENT)
        with pytest.raises(SendError):
            await provider.send(song_email())
    assert mailbox.mails == []


async def test_a_password_is_never_sent_unencrypted_to_another_machine(song_email: Make) -> None:
    mailbox, seen = Mailbox(), []

    def authenticator(*arguments: object) -> None:
        seen.append(arguments)

    async with smtp_server(mailbox, host="127.0.0.2", authenticator=authenticator, auth_require_tls=False) as port:
        provider = SmtpProvider(host="127.0.0.2", port=port, sender=SENDER, user="u", password=Secret("sesame"))
        with pytest.raises(PermanentSendError) as caught:
            await provider.send(song_email())
    assert caught.value.code == "smtp_tls_required"
    assert seen == []


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
    assert "2 segments, GSM-7" in lines[0]
    assert "+15555550100" not in lines[0]


async def test_memory_fails_on_order_and_drops_copies_where_told(song_sms: Make) -> None:
    provider = MemorySmsProvider(takes_idempotency_key=True)
    provider.fail_next(TransientError("busy", "busy"))
    with pytest.raises(TransientError):
        await provider.send(song_sms())
    first: SmsEnvelope = song_sms()
    assert await provider.send(first) == await provider.send(first)
    assert provider.sent == [first]
