"""What people read of a mail server that speaks nonsense, or whose encryption is not accepted."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from comms_smtp_script import SENDER, Script, sent_to
from comms_tls import tls_of_a_server

from singr_comms import AccountRefusedError, SendError, SmtpProvider, TransientError, UnknownOutcomeError
from singr_comms.providers import smtp as by_smtp

Make = Callable[..., Any]
HOST = "127.0.0.2"
"""Of this machine, and checked as another one is."""


async def refused_by(port: int, envelope: Any) -> SendError:
    provider = SmtpProvider(host=HOST, port=port, sender=SENDER, deadline=60.0)
    with pytest.raises(SendError) as caught:
        await provider.send(envelope)
    return caught.value


NONSENSE = {
    "a web server": ("HTTP/1.1 400 Bad Request", "Bad Request"),
    "no code": ("your mail is in the queue as A1B2", "your mail is in the queue as A1B2"),
    "no code of a mail server": ("650 what is this", "650: what is this"),
    "a code that says nothing": ("299 maybe", "299: maybe"),
}


@pytest.mark.parametrize(("answer", "told"), NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("after", ["MAIL", "RCPT", "DATA", "."])
async def test_nonsense_is_told_in_the_servers_own_words(answer: str, told: str, after: str, song_email: Make) -> None:
    kind, when = (UnknownOutcomeError, "took the message") if after == "." else (TransientError, "was handed over")
    with pytest.raises(kind) as caught:
        await sent_to(Script(**{after: answer}), song_email())
    assert told in caught.value.message
    assert when in caught.value.message
    assert caught.value.code == "connection"


async def test_addresses_in_nonsense_are_masked_and_its_length_is_bounded(song_email: Make) -> None:
    answer = "to jane.doe@example.org and +1 555 555 0100" + " x" * 2000
    with pytest.raises(UnknownOutcomeError) as caught:
        await sent_to(Script(**{".": answer}), song_email())
    said = caught.value.message
    assert "jane" not in said
    assert "0100" not in said
    assert len(said) < 400


# --- certificates ----------------------------------------------------------------------------------------------------


REASONS = {
    "nobody vouches for it": ({}, False, "nobody whom this machine trusts has signed it"),
    "another name": ({}, True, f"it was made for another name than {HOST}"),
    "over": ({"address": HOST, "ended": True}, True, "its time is over"),
}


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "TLS from the start"])
@pytest.mark.parametrize(("given", "trusted", "told"), REASONS.values(), ids=REASONS)
async def test_certificate_that_is_not_accepted_is_told_in_plain_words_and_holds_the_messages(
    *,
    given: dict[str, Any],
    trusted: bool,
    told: str,
    implicit: bool,
    song_email: Make,
    smtp: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls = tls_of_a_server(tmp_path, **given)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    async with served(smtp, tls, implicit=implicit, monkeypatch=monkeypatch) as port:
        error = await refused_by(port, song_email())
    assert isinstance(error, AccountRefusedError)
    assert error.code == "smtp_unsupported"
    assert error.message == f"the certificate that {HOST} shows is not accepted: {told}"


@asynccontextmanager
async def served(
    smtp: Make, tls: ssl.SSLContext, *, implicit: bool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    if not implicit:
        async with smtp(host=HOST, tls_context=tls) as port:
            yield port
        return
    async with Script().serve(tls, host=HOST) as port:
        monkeypatch.setattr(by_smtp, "_IMPLICIT_TLS_PORT", port)
        yield port


# --- no TLS where it was promised ------------------------------------------------------------------------------------


GREETING, STARTTLS = "220 mx.example", "250-mx.example\r\n250 STARTTLS"
NO_TLS = {"after STARTTLS": (GREETING, STARTTLS, "220 go", "HTTP/1.1 400 Bad Request"), "from the start": (GREETING,)}


@pytest.mark.parametrize("says", NO_TLS.values(), ids=NO_TLS)
async def test_server_that_speaks_no_tls_where_it_should_is_told_in_plain_words(
    says: tuple[str, ...], song_email: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for said in says:
                writer.write(f"{said}\r\n".encode())
                await reader.read(1000)
            writer.close()
            await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(talk, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        if len(says) == 1:
            monkeypatch.setattr(by_smtp, "_IMPLICIT_TLS_PORT", port)
        error = await refused_by(port, song_email())
        await over.wait()
    assert isinstance(error, TransientError)
    assert error.code == "connection"
    assert error.message == f"no encryption with {HOST} (what it answers is no TLS) before the message was handed over"
