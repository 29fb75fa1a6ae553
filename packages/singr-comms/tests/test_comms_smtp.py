"""What is particular to SMTP: MIME, encryption, injected lines."""

import email
import email.policy
import ssl
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    PermanentSendError,
    SendError,
    SmtpProvider,
    TransientError,
)
from singr_comms._providers._smtp import compose
from singr_config import Secret

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr & Co. \N{EIGHTH NOTE}")
PATIENT = 60.0
Make = Callable[..., Any]


def provider_at(port: int) -> SmtpProvider:
    return SmtpProvider(host="127.0.0.1", port=port, sender=SENDER, deadline=PATIENT)


async def test_mail_is_seven_bit_with_both_parts_and_a_stable_id(song_email: Make, mailbox: Any, smtp: Make) -> None:
    async with smtp() as port:
        receipt = await provider_at(port).send(song_email("token-9"))
        again = await provider_at(port).send(song_email("token-9"))
    assert receipt.provider_message_id == again.provider_message_id == "<token-9@singrkaraoke.com>"
    assert mailbox.mails[0].isascii()
    assert max(len(line) for line in mailbox.mails[0].split(b"\r\n")) <= 998
    mail = email.message_from_bytes(mailbox.mails[0], policy=email.policy.default)
    assert mail["Message-ID"] == "<token-9@singrkaraoke.com>"
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
async def test_no_line_can_be_added_to_a_mail(
    text: str, place: str, song_email: Make, mailbox: Any, smtp: Make
) -> None:
    async with smtp() as port:
        envelope = song_email()
        if place == "token":
            envelope = song_email(text)
        elif place.startswith("to."):
            address = EmailAddress("jane@example.org", text) if place == "to.name" else EmailAddress(text + "@x.org")
            envelope = EmailEnvelope(to=address, message=envelope.message, idempotency_token="t")
        else:
            envelope = song_email(**{place: text})
        with pytest.raises(ValueError, match=r".+"):
            await provider_at(port).send(envelope)
    assert mailbox.mails == []


@pytest.mark.parametrize("text", INJECTIONS[:4])
def test_even_unchecked_values_add_no_header(text: str, song_email: Make) -> None:
    envelope = song_email()
    for changes in ({"to": EmailAddress("jane@example.org", text)}, {"idempotency_token": text}):
        try:
            content = compose(msgspec.structs.replace(envelope, **changes), SENDER)
        except ValueError:
            continue
        assert b"\nBcc" not in content
        assert b"\rBcc" not in content


async def test_a_line_with_a_lone_dot_does_not_end_a_mail(song_email: Make, mailbox: Any, smtp: Make) -> None:
    async with smtp() as port:
        await provider_at(port).send(song_email(title="."))
    assert b"\r\n..\r\n" not in mailbox.mails[0]
    assert mailbox.mails[0].rstrip().endswith(b"--")
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("place", ["rcpt_answer", "data"])
@pytest.mark.parametrize(("answer", "kind"), [("451 later", TransientError), ("554 no", PermanentSendError)])
async def test_smtp_refusals_are_sorted_by_their_first_digit(
    answer: str, kind: type[SendError], place: str, song_email: Make, mailbox: Any, smtp: Make
) -> None:
    setattr(mailbox, place, answer)
    async with smtp() as port:
        with pytest.raises(kind) as caught:
            await provider_at(port).send(song_email())
    assert caught.value.code == f"smtp_{answer[:3]}"


async def test_starttls_is_used_when_offered(
    song_email: Make, mailbox: Any, smtp: Make, server_tls: ssl.SSLContext
) -> None:
    async with smtp(tls_context=server_tls, require_starttls=True) as port:
        await provider_at(port).send(song_email())
    assert mailbox.sessions[0].ssl is not None


async def test_a_certificate_that_nobody_vouches_for_is_refused_beyond_this_machine(
    song_email: Make, mailbox: Any, smtp: Make, server_tls: ssl.SSLContext
) -> None:
    async with smtp(host="127.0.0.2", tls_context=server_tls) as port:
        provider = SmtpProvider(host="127.0.0.2", port=port, sender=SENDER, deadline=PATIENT)
        with pytest.raises(SendError):
            await provider.send(song_email())
    assert mailbox.mails == []


async def test_a_password_is_never_sent_unencrypted_to_another_machine(song_email: Make, smtp: Make) -> None:
    seen: list[object] = []

    def authenticator(*arguments: object) -> None:
        seen.append(arguments)

    async with smtp(host="127.0.0.2", authenticator=authenticator, auth_require_tls=False) as port:
        provider = SmtpProvider(host="127.0.0.2", port=port, sender=SENDER, user="u", password=Secret("sesame"))
        with pytest.raises(PermanentSendError) as caught:
            await provider.send(song_email())
    assert caught.value.code == "smtp_tls_required"
    assert seen == []
