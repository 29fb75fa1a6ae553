"""Connections to a mail server are kept, asked before they are used again, and given up without losing a mail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiosmtplib
import pytest
from comms_smtp_script import DROP, Script

from singr_comms import EmailAddress, PermanentSendError, SmtpProvider, TransientError, UnknownOutcomeError
from singr_comms.providers._smtp import _connections

SENDER = EmailAddress("noreply@singrkaraoke.com")
Make = Callable[..., Any]


@pytest.fixture
async def provider(smtp: Make) -> AsyncIterator[SmtpProvider]:
    async with smtp() as port:
        made = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, deadline=60.0)
        yield made
        await made.close()


def connections(mailbox: Any) -> int:
    return len({id(session) for session in mailbox.sessions})


async def test_mails_one_after_another_share_a_connection(
    provider: SmtpProvider, mailbox: Any, song_email: Make
) -> None:
    for number in range(3):
        await provider.send(song_email(f"t{number}"))
    assert (len(mailbox.mails), connections(mailbox)) == (3, 1)


async def test_mails_at_once_have_a_connection_each_and_leave_them_to_the_next(
    provider: SmtpProvider, mailbox: Any, song_email: Make
) -> None:
    for turn in range(2):
        await asyncio.gather(*(provider.send(song_email(f"t{turn}{number}")) for number in range(4)))
    assert (len(mailbox.mails), connections(mailbox)) == (8, 4)


async def test_refused_recipient_leaves_the_connection_to_the_next_mail(
    provider: SmtpProvider, mailbox: Any, song_email: Make
) -> None:
    await provider.send(song_email("one"))
    mailbox.rcpt_answer = "550 5.1.1 no such user"
    with pytest.raises(PermanentSendError):
        await provider.send(song_email("two"))
    mailbox.rcpt_answer = "250 OK"
    await provider.send(song_email("three"))
    assert (len(mailbox.mails), connections(mailbox)) == (2, 1)
    assert mailbox.envelopes[1].rcpt_tos == ["jane@example.org"]


@pytest.mark.parametrize("fresh", [0.0, 60.0])
async def test_connection_that_the_server_closed_costs_no_mail(
    provider: SmtpProvider, mailbox: Any, song_email: Make, monkeypatch: pytest.MonkeyPatch, fresh: float
) -> None:
    monkeypatch.setattr(_connections, "_FRESH", fresh)  # asked by RSET before, or found by MAIL
    await asyncio.gather(*(provider.send(song_email(f"t{number}")) for number in range(3)))
    for client, _ in provider._kept._idle:
        client.transport.abort()  # type: ignore[union-attr] # it is open
    await provider.send(song_email("after"))
    assert (len(mailbox.mails), connections(mailbox)) == (4, 4)


@pytest.mark.parametrize(("data", "kind"), [("421 4.3.2 closing", TransientError), ("drop", UnknownOutcomeError)])
async def test_connection_in_a_state_that_nobody_knows_is_not_used_again(
    provider: SmtpProvider, mailbox: Any, song_email: Make, data: str, kind: type[Exception]
) -> None:
    await provider.send(song_email("one"))
    mailbox.data = data
    with pytest.raises(kind):
        await provider.send(song_email("two"))
    mailbox.data = "250 taken"
    await provider.send(song_email("three"))
    assert connections(mailbox) == 2


async def test_connection_serves_so_many_mails_and_no_more(
    provider: SmtpProvider, mailbox: Any, song_email: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connections, "_MOST_MESSAGES", 2)
    for number in range(5):
        await provider.send(song_email(f"t{number}"))
    assert (len(mailbox.mails), connections(mailbox)) == (5, 3)


async def test_idle_connection_is_closed(
    provider: SmtpProvider, song_email: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connections, "_IDLE", 0.0)
    await provider.send(song_email())
    for _ in range(3):  # turns of the loop, in which its timer is due
        await asyncio.sleep(0)
    assert not provider._kept._idle


async def test_end_says_good_bye_and_keeps_nothing(provider: SmtpProvider, mailbox: Any, song_email: Make) -> None:
    await provider.send(song_email("one"))
    await provider.close()
    assert not provider._kept._idle
    await provider.send(song_email("two"))
    assert not provider._kept._idle
    assert connections(mailbox) == 2


async def test_connection_is_asked_whether_it_stands_only_after_a_pause_or_a_refusal(
    provider: SmtpProvider, mailbox: Any, song_email: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    rset = aiosmtplib.SMTP.rset

    async def counted(self: aiosmtplib.SMTP, **options: Any) -> Any:
        asked.append(self)
        return await rset(self, **options)

    monkeypatch.setattr(aiosmtplib.SMTP, "rset", counted)
    monkeypatch.setattr(_connections, "_FRESH", 60.0)
    for number in range(2):
        await provider.send(song_email(f"t{number}"))
    assert asked == []
    mailbox.rcpt_answer = "550 5.1.1 no such user"
    with pytest.raises(PermanentSendError):
        await provider.send(song_email("refused"))
    mailbox.rcpt_answer = "250 OK"
    await provider.send(song_email("next"))
    assert len(asked) == 1
    monkeypatch.setattr(_connections, "_FRESH", 0.0)
    await provider.send(song_email("later"))
    assert (len(asked), len(mailbox.mails), connections(mailbox)) == (2, 4, 1)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "later",
    [
        {"MAIL": "452 4.3.2 too many messages on this connection", "RCPT": "503 need MAIL", "DATA": "503 need MAIL"},
        {"MAIL": "503 5.5.1 nested MAIL", "RCPT": "503 need MAIL", "DATA": "503 need MAIL"},
        {"MAIL": "421 4.7.0 too many messages"},
        {"RCPT": "421 4.7.0 too many recipients in this session"},
        {"DATA": "421 4.3.2 closing"},
        {"DATA": DROP},
    ],
)
async def test_mail_that_a_kept_connection_does_not_take_goes_over_a_new_one(
    song_email: Make, later: dict[str, str], *, pipelining: bool
) -> None:
    script = Script(pipelining=pipelining, later=later)
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        for number in range(3):
            await provider.send(song_email(f"t{number}"))
        await provider.close()
    assert [f"<t{number}@".encode() in mail for number, mail in enumerate(script.mails)] == [True] * 3
    assert (script.heard.count("EHLO"), script.heard.count("MAIL"), "RSET" in script.heard) == (3, 5, False)
