"""E-mail over SMTP (RFC 5321), encrypted whenever the server offers it."""

import asyncio
from email.utils import formatdate
from typing import Final

import aiosmtplib

from singr_comms._errors import AccountRefusedError, PermanentSendError
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.email import EmailAddress, EmailEnvelope, check_email, headline, list_headers, render_email
from singr_comms.models._message import checked
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.providers._smtp._answers import Stage, is_refusal, sort_error
from singr_comms.providers._smtp._connections import KeptConnections
from singr_comms.providers._smtp._exchange import Exchange, exchange
from singr_comms.rendering._inert import inert
from singr_comms.rendering._mime import UnsafeMailError, write_mail
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret
from singr_config.clock import clock

_NAME: Final = "smtp"
_IMPLICIT_TLS_PORT: Final = 465
_STEP_TIMEOUT: Final = 15.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SmtpProvider:
    """Sends e-mail over connections that are kept for half a minute, each signed in and encrypted once.

    A connection serves one message at a time. Where the next one comes later than a moment after it, it is asked first
    (RSET) whether it still stands. Where it does not, or has no answer to MAIL, the message goes over a new one, for
    nothing of it has left. MAIL, RCPT and DATA go together where the server offers it (PIPELINING, RFC 2920): a mail
    takes two round trips over a kept connection then, in place of four.

    Args:
        host: server name or address.
        port: 465 means TLS from the first byte; on any other, STARTTLS is used when offered.
        sender: the From address.
        user: empty for no sign-in. With a user, an unencrypted connection is refused, except to this machine.
        password: goes with `user`.
        deadline: seconds a whole delivery may take.
        timeout: seconds each step may take.
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
        deadline: float = LONGEST_CALL,
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

    @property
    def name(self) -> str:
        """`smtp`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """SMTP has none; the Message-ID is the same on every try, so that receivers can tell a copy."""
        return False

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one e-mail; the receipt's id is the Message-ID. Raises as `EmailProvider` says."""
        envelope = check_email(envelope)
        try:
            content = compose(envelope, self._sender, self._brand)
        except UnsafeMailError as error:
            raise PermanentSendError("unsafe_mail", f"the mail was not handed over: it {error}") from error
        progress = [Stage.CONNECT]
        try:
            async with asyncio.timeout(self._deadline):
                await self._deliver(envelope.to.email, content, progress)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise sort_error(error, progress[-1]) from error
        return SendReceipt(_NAME, f"<{_message_id(envelope, self._sender)}>")

    async def close(self) -> None:
        """Say good-bye to the server; afterwards each mail takes a connection of its own."""
        await self._kept.close()

    async def _deliver(self, recipient: str, content: bytes, progress: list[Stage]) -> None:
        begun, error = await self._begun(recipient, progress), None
        try:
            progress.append(Stage.RECIPIENT)
            await begun.rcpt()
            progress.append(Stage.DATA)
            await begun.data(content)
        except BaseException as raised:
            error = raised
            raise
        finally:
            # The message is taken, or is not: how the server says good-bye changes nothing.
            self._give_back(begun, error)

    async def _begun(self, recipient: str, progress: list[Stage]) -> Exchange:
        """A message on a connection on which the server has taken MAIL: a kept one that still stands, or a new one."""
        kept = await self._kept.take()
        if kept is not None:
            progress.append(Stage.SENDER)
            try:
                return await self._mail(kept, recipient)
            except (aiosmtplib.SMTPException, OSError) as error:
                if is_refusal(error):
                    raise
                self._kept.distrust()
        progress.append(Stage.CONNECT)
        client = await self._connected(progress)
        progress.append(Stage.SENDER)
        return await self._mail(client, recipient)

    async def _mail(self, client: aiosmtplib.SMTP, recipient: str) -> Exchange:
        begun = exchange(client, self._sender.email, recipient, self._timeout)
        try:
            await begun.mail()
        except BaseException as error:
            self._give_back(begun, error)
            raise
        return begun

    def _give_back(self, over: Exchange, error: BaseException | None) -> None:
        over.end()
        if error is None or is_refusal(error):
            self._kept.give(over.client, taken=error is None)
        else:
            self._kept.drop(over.client)

    async def _connected(self, progress: list[Stage]) -> aiosmtplib.SMTP:
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
            if self._user:
                progress.append(Stage.SIGN_IN)
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


def compose(envelope: EmailEnvelope, sender: EmailAddress, brand: BrandSettings = DEFAULT_BRAND) -> bytes:
    """Write the mail: text and HTML, seven-bit, with a Message-ID made from the idempotency token.

    Raises:
        InvalidMessageError: a variable breaks its model.
        UnsafeMailError: the bytes would not be exactly the mail that is meant.
    """
    rendered = render_email(envelope.message, brand)
    return write_mail(
        sender=_mailbox(sender),
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
