"""MAIL, RCPT and DATA leave together where the server offers it (RFC 2920); the mail leaves once each was taken."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest
from comms_smtp_script import DROP, SENDER, SILENCE, Script

from singr_comms import (
    AccountRefusedError,
    PermanentSendError,
    SendError,
    SmtpProvider,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.providers import smtp as smtp_provider
from singr_comms.providers._smtp import _exchange

Make = Callable[..., Any]
ONCE = ["EHLO", "MAIL", "RCPT", "DATA"]
NOBODY = "550 5.1.1 no such user"


async def sent(
    script: Script, *envelopes: Any, answers: dict[str, str] | None = None, **options: Any
) -> list[SendError | None]:
    """Send one after the other over what is kept; from the second on the server answers as `answers` says."""
    found: list[SendError | None] = []
    async with script.serve() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, **options)
        for envelope in envelopes:
            try:
                await provider.send(envelope)
                found.append(None)
            except SendError as error:
                found.append(error)
            script.answers |= answers or {}
        await provider.close()
    return found


async def test_commands_of_a_mail_leave_together(song_email: Make) -> None:
    script = Script(pipelining=True)  # answers none of the three before it has heard them all
    assert await sent(script, song_email("one"), song_email("two")) == [None, None]
    assert script.heard == [*ONCE, *ONCE[1:], "QUIT"]
    assert [b"Message-ID: <one@" in script.mails[0], b"Message-ID: <two@" in script.mails[1]] == [True, True]


async def test_server_that_does_not_offer_it_gets_one_command_at_a_time(song_email: Make) -> None:
    script = Script()
    assert await sent(script, song_email()) == [None]
    assert script.heard == [*ONCE, "QUIT"]


@pytest.mark.parametrize(("answers", "greeted"), [({}, ["EHLO"]), ({"EHLO": "500 what"}, ["EHLO", "HELO"])])
async def test_server_that_is_encrypted_from_the_first_byte_is_asked_what_it_offers(
    song_email: Make,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, str],
    greeted: list[str],
) -> None:
    script = Script(pipelining=not answers, **answers)
    async with script.serve(server_tls) as port:
        monkeypatch.setattr(smtp_provider, "_IMPLICIT_TLS_PORT", port)
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        for token in ("one", "two"):
            await provider.send(song_email(token))
        await provider.close()
    assert script.heard == [*greeted, *ONCE[1:], *ONCE[1:], "QUIT"]


@pytest.mark.parametrize(
    ("answers", "kind", "code"),
    [
        ({"RCPT": NOBODY, "DATA": "554 5.5.1 no valid recipients"}, PermanentSendError, "smtp_550"),
        ({"RCPT": NOBODY, "DATA": "503 5.5.1 need RCPT"}, PermanentSendError, "smtp_550"),
        ({"RCPT": "451 4.2.1 mailbox busy", "DATA": "503 need RCPT"}, TransientError, "smtp_451"),
        (
            {"MAIL": "553 5.7.1 sender address rejected", "RCPT": "503 need MAIL", "DATA": "503 need MAIL"},
            AccountRefusedError,
            "smtp_553",
        ),
        ({"DATA": "451 4.3.0 no room"}, TransientError, "smtp_451"),
    ],
)
async def test_refusal_is_told_and_leaves_the_connection_to_the_next_mail(
    song_email: Make, answers: dict[str, str], kind: type[SendError], code: str
) -> None:
    script = Script(pipelining=True, **answers)
    usual = {"MAIL": "250 OK", "RCPT": "250 OK", "DATA": "354 go on"}
    first, second = await sent(script, song_email("refused"), song_email("next"), answers=usual)
    assert (type(first), first and first.code, second) == (kind, code, None)
    assert script.heard == [*ONCE, "RSET", *ONCE[1:], "QUIT"]
    assert len(script.mails) == 1


async def test_data_that_is_taken_without_a_recipient_is_ended_with_nothing_in_it(song_email: Make) -> None:
    script = Script(pipelining=True, RCPT=NOBODY, **{".": "554 5.5.1 no valid recipients"})
    usual = {"RCPT": "250 OK", ".": "250 taken"}
    first, second = await sent(script, song_email("refused"), song_email("next"), answers=usual)
    assert (type(first), second) == (PermanentSendError, None)
    assert script.heard == [*ONCE, "RSET", *ONCE[1:], "QUIT"]
    assert script.mails[0] == b""


async def test_empty_mail_goes_to_nobody_where_a_server_takes_a_recipient_from_a_refused_sender(
    song_email: Make,
) -> None:
    script = Script(pipelining=True, MAIL="553 5.7.1 sender address rejected")
    first, second = await sent(script, song_email("refused"), song_email("next"), answers={"MAIL": "250 OK"})
    assert (type(first), second) == (AccountRefusedError, None)
    assert script.heard == [*ONCE, *ONCE, "QUIT"]  # over another connection
    assert len(script.mails) == 1


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"RCPT": DROP}, TransientError),
        ({"RCPT": "garbage"}, TransientError),
        ({"RCPT": "421 4.3.2 closing"}, TransientError),
        ({"DATA": DROP}, TransientError),
        ({"DATA": "garbage"}, TransientError),  # nothing of the mail has left
        ({"DATA": "421 4.3.2 closing"}, AccountRefusedError),
        ({".": "garbage"}, UnknownOutcomeError),
        ({".": "250-" + "x" * 40_000}, UnknownOutcomeError),
    ],
)
async def test_mail_whose_answers_break_off_is_not_sent_again_by_itself(
    song_email: Make, answers: dict[str, str], kind: type[SendError]
) -> None:
    script = Script(pipelining=True, **answers)
    (error,) = await sent(script, song_email())
    assert isinstance(error, kind)
    assert script.heard == ONCE
    assert len(script.mails) == ("." in answers)


async def test_kept_connection_that_answers_nothing_costs_no_mail(song_email: Make) -> None:
    script = Script(pipelining=True)
    once = {"MAIL": DROP}
    first, second = await sent(script, song_email("one"), song_email("two"), answers=once)
    assert first is None
    assert isinstance(second, TransientError)  # nor did the new one answer, which it was tried over once
    assert script.heard == [*ONCE, *ONCE[1:], *ONCE]
    assert len(script.mails) == 1


async def test_answer_that_nobody_asked_for_ends_the_connection(song_email: Make) -> None:
    script = Script(pipelining=True, **{".": "250 taken\r\n250 and again"})
    assert await sent(script, song_email("one"), song_email("two")) == [None, None]
    assert script.heard == [*ONCE, *ONCE]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_mail_is_not_handed_to_a_server_that_has_said_already_that_it_took_it(
    song_email: Make, *, pipelining: bool
) -> None:
    script = Script(pipelining=pipelining, DATA="354 go\r\n250 taken")
    first, second = await sent(script, song_email("one"), song_email("two"), answers={"DATA": "354 go"})
    assert (type(first), second) == (TransientError, None)
    assert script.heard == [*ONCE, *ONCE, "QUIT"]  # over another connection
    assert [b"Message-ID: <two@" in mail for mail in script.mails] == [True]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_recipient_that_the_server_cannot_verify_but_tries_is_taken(
    song_email: Make, *, pipelining: bool
) -> None:
    script = Script(pipelining=pipelining, RCPT="252 cannot verify, will try")
    assert await sent(script, song_email()) == [None]
    assert len(script.mails) == 1


@pytest.mark.parametrize("answer", ["250 OK", "503 5.5.0 improper command pipelining"])
async def test_server_that_offers_it_and_does_not_take_it_gets_one_command_at_a_time_from_then_on(
    song_email: Make, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(_exchange, "_STILL_DUE", 0.0)
    script = Script(forgetful=True, MAIL=answer)
    mails = [song_email(token) for token in ("one", "two", "three")]
    first, *later = await sent(script, *mails, answers={"MAIL": "250 OK"}, timeout=1.0)
    assert (type(first), later) == (TransientError, [None, None])
    assert script.heard == ["EHLO", "MAIL", *ONCE, *ONCE[1:], "QUIT"]


@pytest.mark.parametrize(("still_due", "deadline"), [(0.0, 60.0), (60.0, 1.5)])
async def test_refusal_is_told_though_the_server_never_answers_what_follows(
    song_email: Make, monkeypatch: pytest.MonkeyPatch, still_due: float, deadline: float
) -> None:
    monkeypatch.setattr(_exchange, "_STILL_DUE", still_due)
    script = Script(pipelining=True, RCPT=NOBODY, DATA=SILENCE)
    usual = {"RCPT": "250 OK", "DATA": "354 go on"}
    first, second = await sent(script, song_email("refused"), song_email("next"), answers=usual, deadline=deadline)
    assert (type(first), first and first.code, second) == (PermanentSendError, "smtp_550", None)
    assert script.heard == [*ONCE, *ONCE, "QUIT"]  # over another connection
