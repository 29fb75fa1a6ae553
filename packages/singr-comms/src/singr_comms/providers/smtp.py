"""E-mail over SMTP (RFC 5321), encrypted whenever the server offers it."""

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import aiosmtplib

from singr_comms._errors import AccountRefusedError, PermanentSendError
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.email import (
    EmailAddress,
    EmailEnvelope,
    check_email,
    headline,
    list_headers,
    render_envelope,
    sender_of,
)
from singr_comms.models._message import checked
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.providers._smtp._answers import Stage, ends_connection, is_refusal, sort_error
from singr_comms.providers._smtp._connections import KeptConnections
from singr_comms.providers._smtp._exchange import Exchange
from singr_comms.providers._smtp._pace import Pace
from singr_comms.rendering._inert import inert
from singr_comms.rendering._mime import UnsafeMailError, write_mail
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret
from singr_config.clock import clock

_NAME: Final = "smtp"
_IMPLICIT_TLS_PORT: Final = 465
_STEP_TIMEOUT: Final = 15.0
# Seconds for a whole delivery. A server that reads a mail before it answers takes its time (RFC 5321 4.5.3.2.6: give it
# ten minutes); the job has two, of which another provider may have had eight seconds before.
_LONGEST: Final = 90.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(slots=True)
class _Progress:
    """How far a delivery has come: what became of it must be told even when its time is over."""

    limit: asyncio.Timeout
    ends: float
    stage: Stage = Stage.CONNECT
    kept: bool = False
    together: bool = False
    refusal: aiosmtplib.SMTPResponseException | None = None

    def hand_over(self) -> None:
        """The message is about to leave: its answer has whatever time is left."""
        self.stage = Stage.CONTENT
        self.limit.reschedule(self.ends)

    def begin_again(self) -> None:
        """Nothing of it has left; what a kept connection said is over."""
        self.stage, self.kept, self.together, self.refusal = Stage.CONNECT, False, False, None


class SmtpProvider:
    """Sends e-mail over connections that are kept for half a minute, each signed in and encrypted once.

    A connection serves one message at a time. Where the next one comes later than a moment after it, it is asked first
    (RSET) whether it still stands. Where it does not, does not take MAIL, or ends before the message itself, that goes
    over a new one, for nothing of it has left. MAIL, RCPT and DATA go together where the server offers it (PIPELINING,
    RFC 2920): a mail takes two round trips over a kept connection then, in place of four. Where that leaves commands
    unanswered, the mails of the next hour go command by command.

    Args:
        host: server name or address.
        port: 465 means TLS from the first byte; on any other, STARTTLS is used when offered.
        sender: the From address.
        user: empty for no sign-in. With a user, an unencrypted connection is refused, except to this machine.
        password: goes with `user`.
        deadline: seconds a whole delivery may take; at most 18 of them until the message is handed over.
        timeout: seconds each step may take, but for the answer to the message, which may take the rest of `deadline`.
        brand: whose messages they are.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: EmailAddress,
        user: str = "",
        password: Secret | None = None,
        deadline: float = _LONGEST,
        timeout: float = _STEP_TIMEOUT,
        brand: BrandSettings = DEFAULT_BRAND,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = checked(sender, EmailAddress)
        self._user = user
        self._password = password or Secret("")
        self._deadline = deadline
        self._timeout = timeout
        self._brand = brand
        self._kept = KeptConnections()
        self._pace = Pace()

    @property
    def name(self) -> str:
        """`smtp`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """SMTP has none; the Message-ID is the same on every try, so that receivers can tell a copy."""
        return False

    @property
    def longest_call(self) -> float:
        """Seconds after which a delivery is given up."""
        return self._deadline

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one e-mail; the receipt's id is the Message-ID. Raises as `EmailProvider` says."""
        envelope = check_email(envelope)
        try:
            content = compose(envelope, self._sender, self._brand)
        except UnsafeMailError as error:
            raise PermanentSendError("unsafe_mail", f"the mail was not handed over: it {error}") from error
        ends = asyncio.get_running_loop().time() + self._deadline
        progress = _Progress(asyncio.timeout(min(LONGEST_CALL, self._deadline)), ends)
        try:
            async with progress.limit:
                await self._deliver(envelope.to.email, content, progress)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            told = progress.refusal or error  # known, though answers that change nothing were waited for
            self._learn(told, progress)
            raise sort_error(told, progress.stage, self._host, envelope.to.email) from error
        return SendReceipt(_NAME, f"<{_message_id(envelope, self._sender)}>")

    async def close(self) -> None:
        """Say good-bye to the server; afterwards each mail takes a connection of its own."""
        await self._kept.close()

    async def _deliver(self, recipient: str, content: bytes, progress: "_Progress") -> None:
        """Over a kept connection; over a new one where there is none, or the kept one does not go on."""
        kept = await self._kept.take()
        if kept is not None:
            progress.kept = True
            try:
                await self._over(kept, recipient, content, progress)
            except (aiosmtplib.SMTPException, OSError) as error:
                if not ends_connection(error, progress.stage):
                    raise
                if not is_refusal(error):
                    self._kept.distrust()
            else:
                return
            progress.begin_again()
        await self._over(await self._connected(progress), recipient, content, progress)

    async def _over(self, client: aiosmtplib.SMTP, recipient: str, content: bytes, progress: "_Progress") -> None:
        progress.together = self._pace.together(client)
        begun = Exchange(client, self._sender.email, recipient, timeout=self._timeout, together=progress.together)
        error = None
        try:
            progress.stage = Stage.SENDER
            await begun.mail()
            progress.stage = Stage.RECIPIENT
            await begun.rcpt()
            progress.stage = Stage.DATA
            await begun.data()
            progress.hand_over()
            await begun.content(content)
        except BaseException as raised:
            error, progress.refusal = raised, begun.refusal
            self._learn(raised, progress)
            raise
        finally:
            # The message is taken, or is not: how the server says good-bye changes nothing.
            begun.end()
            self._give_back(client, error, progress)

    def _learn(self, error: BaseException, progress: "_Progress") -> None:
        if progress.together:
            self._pace.note(error, progress.stage)

    def _give_back(self, client: aiosmtplib.SMTP, error: BaseException | None, progress: "_Progress") -> None:
        spent = progress.kept and error is not None and ends_connection(error, progress.stage)
        if error is None or (is_refusal(error) and not spent):
            self._kept.give(client, taken=error is None)
        else:
            self._kept.drop(client)

    async def _connected(self, progress: "_Progress") -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._port == _IMPLICIT_TLS_PORT,
            local_hostname=self._sender.email.rpartition("@")[2],  # looking our own name up may block for seconds
            validate_certs=self._host not in _LOOPBACK,
            timeout=self._timeout,
        )
        try:
            await client.connect()
            await _introduce(client)
            if self._user:
                progress.stage = Stage.SIGN_IN
                await self._sign_in(client)
        except BaseException:
            client.close()
            raise
        return client

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        encrypted = client.get_transport_info("sslcontext") is not None
        if not encrypted and self._host not in _LOOPBACK:
            raise AccountRefusedError("smtp_tls_required", "the server offers no encryption: the password was not sent")
        await client.login(self._user, self._password.reveal())


async def _introduce(client: aiosmtplib.SMTP) -> None:
    """EHLO, or HELO to a server that knows no other, where the library has not said it to learn of STARTTLS."""
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()


def compose(envelope: EmailEnvelope, sender: EmailAddress, brand: BrandSettings = DEFAULT_BRAND) -> bytes:
    """Write the mail: text and HTML, seven-bit, with a Message-ID made from the idempotency token.

    Raises:
        InvalidMessageError: a variable breaks its model.
        UnsafeMailError: the bytes would not be exactly the mail that is meant.
    """
    rendered = render_envelope(envelope, brand)
    return write_mail(
        sender=_mailbox(sender_of(envelope, sender)),
        recipient=_mailbox(envelope.to),
        subject=headline(rendered.subject, envelope.meant_for),
        date=formatdate(clock.time()),
        message_id=_message_id(envelope, sender),
        text=rendered.text,
        html=rendered.html,
        more=list_headers(envelope),
    )


def _message_id(envelope: EmailEnvelope, sender: EmailAddress) -> str:
    return f"{envelope.idempotency_token}@{sender.email.rpartition('@')[2]}"


def _mailbox(address: EmailAddress) -> tuple[str, str]:
    return inert(address.name) if address.name else "", address.email


def _build(given: Given) -> SmtpProvider:
    smtp = given.settings.smtp
    return SmtpProvider(
        host=smtp.host,
        port=smtp.port,
        sender=given.sender(),
        user=smtp.user,
        password=smtp.password,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "email", _build)
