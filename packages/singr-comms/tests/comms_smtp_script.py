"""A mail server that answers by a script, and tells what it heard."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from singr_comms import EmailAddress, EmailEnvelope, SmtpProvider
from singr_config import Secret

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr & Co. \N{EIGHTH NOTE}")
DROP = "drop"
"""In place of an answer: hang up."""
SILENCE = "silence"
"""In place of an answer: say nothing more until the other side hangs up."""


class Script:
    """A mail server that follows a script: an answer per command, and 250 to what it has none for.

    Args:
        greeting: its first words.
        pipelining: it offers PIPELINING, and answers MAIL, RCPT and DATA once it has heard all three.
        forgetful: it offers PIPELINING, and forgets what comes with a command.
        later: answers from the second MAIL of a connection on.
        recipients: answers to RCPT, by what the recipient's address ends with.
        reads: seconds for which it looks at a message before it answers.
        answers: by command, and by "." for the end of a message.
    """

    def __init__(
        self,
        greeting: str = "220 mx.example",
        *,
        pipelining: bool = False,
        forgetful: bool = False,
        later: dict[str, str] | None = None,
        recipients: dict[str, str] | None = None,
        reads: float = 0.0,
        **answers: str,
    ) -> None:
        self.greeting = greeting
        self.forgetful = forgetful
        self.held = {"MAIL", "RCPT"} if pipelining else set()
        offer = "250-PIPELINING\r\n" if pipelining or forgetful else ""
        usual = {"EHLO": f"250-mx.example\r\n{offer}250 AUTH PLAIN LOGIN", "DATA": "354 go on", "AUTH": "235 in"}
        self.answers = usual | answers
        self.later = later or {}
        self.recipients = recipients or {}
        self.reads = reads
        self.heard: list[str] = []
        self.mails: list[bytes] = []
        self.over: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
        server = await asyncio.start_server(self._begin, host, 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.gather(*self.over)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.over.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(f"{self.greeting}\r\n".encode())
            held, mails = "", 0
            while line := await (reader.read(65_536) if self.forgetful else reader.readline()):
                word = line.decode().split()[0].upper()
                self.heard.append(word)
                mails += word == "MAIL"
                answers = self.answers | (self.later if mails > 1 else {})
                held += f"{self._of_recipient(word, line) or answers.get(word, '250 OK')}\r\n"
                if word in self.held:
                    continue
                said, dropped, _ = held.partition(DROP)
                said, silent, _ = said.partition(SILENCE)
                writer.write(said.encode())
                held = ""
                if dropped:
                    break
                if silent:
                    await reader.read()
                elif word == "DATA" and answers["DATA"].startswith("354"):
                    await self._take(reader)
                    await asyncio.sleep(self.reads)
                    if (said := self.answers.get(".", "250 taken")) == SILENCE:
                        await reader.read()
                    if said == DROP:
                        break
                    writer.write(f"{said}\r\n".encode())
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _of_recipient(self, word: str, line: bytes) -> str | None:
        address = line.decode().strip().rstrip(">")
        return next((said for end, said in self.recipients.items() if word == "RCPT" and address.endswith(end)), None)

    async def _take(self, reader: asyncio.StreamReader) -> None:
        mail = b""
        while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
            mail += line
        self.mails.append(mail)


async def sent_to(script: Script, envelope: EmailEnvelope, *, user: str = "") -> None:
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, user=user, password=Secret("sesame"))
        try:
            await provider.send(envelope)
        finally:
            await provider.close()
