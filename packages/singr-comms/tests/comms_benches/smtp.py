import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
import pytest

from comms_benches import IMPATIENT, PATIENT, SENDER, Bench
from singr_comms import EmailEnvelope, SmtpProvider


class SmtpBench(Bench):
    channel = "email"
    rejection = "smtp_550"
    says_when = False

    def __init__(self, mailbox: Any, port: int) -> None:
        self.mailbox = mailbox
        self.port = port
        self.provider = self.build(port)

    @classmethod
    @asynccontextmanager
    async def open(cls, request: pytest.FixtureRequest, _http: httpx.AsyncClient) -> AsyncIterator[Self]:
        async with request.getfixturevalue("smtp")() as port:
            yield cls(request.getfixturevalue("mailbox"), port)

    def build(self, port: int, *, deadline: float = PATIENT) -> SmtpProvider:
        return SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, deadline=deadline)

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
        self.provider = self.build(self.port, deadline=IMPATIENT)
        self.mailbox.data = "hang"

    def drop(self) -> None:
        self.mailbox.data = "drop"

    def busy(self) -> None:
        self.mailbox.data = "451 4.3.0 try later"

    def rejected(self, envelope: EmailEnvelope) -> EmailEnvelope:
        self.mailbox.rcpt_answer = "550 5.1.1 no such user <jane.doe@localhost>"
        return envelope
