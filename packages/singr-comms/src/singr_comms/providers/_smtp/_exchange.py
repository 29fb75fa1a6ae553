"""One message on one connection: command by command, or in one piece where the server takes that (RFC 2920).

The library waits for each answer before it sends another command, drops what comes meanwhile, and does not tell whether
anything did. So a connection is lent to a reader of its own for one message, and is the library's again after that.
"""

import asyncio
from typing import Final

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from singr_comms.providers._smtp._answers import MALFORMED, is_refusal

_TAKEN: Final = 250
_RECIPIENT_TAKEN: Final = frozenset({250, 251, 252})  # taken; forwarded; not verified, but tried (RFC 5321 4.2.3)
_GO_ON: Final = 354
_REFUSED: Final = 400
_SENSELESS: Final = -1  # what the library gives for an answer that is none
_LONGEST_ANSWER: Final = 32_768
_CODE_DIGITS: Final = 3
_STILL_DUE: Final = 1.0  # seconds for answers that change nothing


class Exchange:
    """The commands of one message to one recipient, in their order. Raises what the library raises, and `TimeoutError`.

    Each answer is looked at before anything of the mail leaves, in either form.

    Args:
        client: a connection on which EHLO was answered.
        sender: a plain address, checked before.
        recipient: another one.
        timeout: seconds each answer may take, but for the one to the message: that has the time of whoever waits.
        together: MAIL, RCPT and DATA leave in one piece; otherwise each waits for the answer to the one before.
    """

    def __init__(self, client: aiosmtplib.SMTP, sender: str, recipient: str, *, timeout: float, together: bool) -> None:
        self.client = client
        self.refusal: aiosmtplib.SMTPResponseException | None = None
        """What the server refused, known while answers that change nothing are still due."""
        self._sender = sender
        self._recipient = recipient
        self._timeout = timeout
        self._together = together
        self._reader: _Reader | None = None

    async def mail(self) -> None:
        """Have the server take the sender."""
        transport, owner = self.client.transport, self.client.protocol
        if transport is None or owner is None or transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._reader = _Reader(owner, transport)
        mail, rcpt = f"MAIL FROM:<{self._sender}>\r\n", f"RCPT TO:<{self._recipient}>\r\n"
        self._say(f"{mail}{rcpt}DATA\r\n" if self._together else mail)
        code, words = await self._answer()
        if code != _TAKEN:
            await self._refused(aiosmtplib.SMTPSenderRefused(code, words, self._sender), due=2)

    async def rcpt(self) -> None:
        """Have it take the recipient."""
        if not self._together:
            self._say(f"RCPT TO:<{self._recipient}>\r\n")
        code, words = await self._answer()
        if code not in _RECIPIENT_TAKEN:
            await self._refused(aiosmtplib.SMTPRecipientRefused(code, words, self._recipient), due=1)

    async def data(self) -> None:
        """Have it wait for the message. Nothing of that has left yet."""
        if not self._together:
            self._say("DATA\r\n")
        code, words = await self._answer()
        if code != _GO_ON:
            raise aiosmtplib.SMTPDataError(code, words)
        self._lent().expect_nothing()

    async def content(self, content: bytes) -> None:
        """Have it take the message: lines ended by CR LF, the last one too."""
        # No line has another end than CR LF (`judge` saw to it), and the first one is a header.
        self._lent().owner.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, words = await self._lent().answer(None)
        if code != _TAKEN:
            raise aiosmtplib.SMTPDataError(code, words)

    def end(self) -> None:
        """Leave the connection, whatever came of the message."""
        if self._reader is not None and not self._reader.give_back():
            self.client.close()

    async def _refused(self, error: aiosmtplib.SMTPResponseException, *, due: int) -> None:
        """Read the answers that are still due, so that the connection can serve another message; then raise.

        They have a moment. What the server thinks of the message is known without them.
        """
        if is_refusal(error):
            self.refusal = error
            if self._together:
                try:
                    async with asyncio.timeout(_STILL_DUE):
                        await self._read_on(due)
                except (aiosmtplib.SMTPException, OSError):
                    self.client.close()
        raise error

    async def _read_on(self, due: int) -> None:
        codes = [(await self._answer())[0] for _ in range(due)]
        if codes[-1] >= _REFUSED:
            return
        if codes[-1] != _GO_ON or any(code < _REFUSED for code in codes[:-1]):
            # It would send an empty mail to somebody: what is cut off before its dot is dropped (RFC 5321 4.1.1.4).
            self.client.close()
            return
        self._lent().owner.write(b".\r\n")  # a message to nobody (RFC 2920 3.1)
        await self._answer()

    def _say(self, commands: str) -> None:
        reader = self._lent()
        reader.expect_nothing()
        reader.owner.write(commands.encode("ascii"))

    async def _answer(self) -> aiosmtplib.SMTPResponse:
        return await self._lent().answer(self._timeout)

    def _lent(self) -> "_Reader":
        if self._reader is None:
            raise aiosmtplib.SMTPServerDisconnected("MAIL was not sent")
        return self._reader


class _Reader(asyncio.Protocol):
    """Reads answers, one after the other, on a connection of the library's; tells it when the connection ends."""

    def __init__(self, owner: SMTPProtocol, transport: asyncio.BaseTransport) -> None:
        self.owner = owner
        self._transport = transport
        self._buffer = bytearray()
        self._gone = False
        self._due: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    def give_back(self) -> bool:
        """Leave the connection to the library; whether it is in order: nothing was said that nobody asked for."""
        if not self._gone:
            self._transport.set_protocol(self.owner)
        return not self._buffer

    def expect_nothing(self) -> None:
        """Raise where something was said that nobody asked for: it would pass for the answer to what is said next."""
        if self._gone:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        if self._buffer:
            raise aiosmtplib.SMTPResponseException(_SENSELESS, "An answer came before its command")

    async def answer(self, timeout: float | None) -> aiosmtplib.SMTPResponse:  # noqa: ASYNC109 — None is no limit
        """The next answer, within so many seconds; raises as the library does, and `TimeoutError`."""
        found = self._next()
        if found is None:
            async with asyncio.timeout(timeout):
                while found is None:
                    if self._gone:
                        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
                    self._due = asyncio.get_running_loop().create_future()
                    await self._due
                    found = self._next()
        return found

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._wake()

    def eof_received(self) -> bool | None:
        self._gone_away()
        return self.owner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone_away()
        self.owner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.owner.pause_writing()

    def resume_writing(self) -> None:
        self.owner.resume_writing()

    def _gone_away(self) -> None:
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._due is not None and not self._due.done():
            self._due.set_result(None)

    def _next(self) -> aiosmtplib.SMTPResponse | None:
        words: list[bytes] = []
        start = 0
        while (end := self._buffer.find(b"\n", start)) >= 0:
            line = bytes(self._buffer[start:end])
            start = end + 1
            code, more = line[:_CODE_DIGITS], line[_CODE_DIGITS : _CODE_DIGITS + 1]
            if not (code.isdigit() and len(code) == _CODE_DIGITS):
                raise aiosmtplib.SMTPResponseException(_SENSELESS, f"{MALFORMED}{line.decode(errors='ignore')}")
            words.append(line[_CODE_DIGITS + 1 :].strip())
            if more != b"-":
                del self._buffer[:start]
                return aiosmtplib.SMTPResponse(int(code), b"\n".join(words).decode("utf-8", "surrogateescape"))
        if len(self._buffer) > _LONGEST_ANSWER:
            raise aiosmtplib.SMTPResponseException(_SENSELESS, "Answer too long")
        return None
