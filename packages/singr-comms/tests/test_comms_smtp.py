"""What is particular to SMTP: MIME, encryption, injected lines."""

import email
import email.policy
import ssl
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from comms_smtp_script import SENDER, Script, sent_to

from singr_comms import (
    AccountRefusedError,
    EmailAddress,
    EmailEnvelope,
    PermanentSendError,
    SendError,
    SmtpProvider,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms._masking import scrub
from singr_comms.providers.smtp import compose
from singr_config import Secret

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
    assert getattr(caught.value, "waits", False) is (kind is TransientError), "later is minutes or hours"


async def test_a_server_that_is_away_is_waited_for(song_email: Make) -> None:
    with pytest.raises(TransientError) as caught:
        await provider_at(1).send(song_email())
    assert (caught.value.code, caught.value.waits) == ("connection", True)


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
        with pytest.raises(AccountRefusedError) as caught:
            await provider.send(song_email())
    assert caught.value.code == "smtp_tls_required"
    assert seen == []


# --- whose fault it is -----------------------------------------------------------------------------------------------


ABOUT_US = {
    "banner 554": {"greeting": "554 5.7.1 no service for you"},
    "banner 421": {"greeting": "421 too many connections"},
    "banner 530": {"greeting": "530 go away"},
    "EHLO and HELO refused": {"EHLO": "550 who are you", "HELO": "550 who are you"},
    "535": {"AUTH": "535 5.7.8 wrong password"},
    "534": {"AUTH": "534 5.7.9 mechanism too weak"},
    "538": {"AUTH": "538 encryption needed"},
    "454 at sign-in": {"AUTH": "454 4.7.0 temporary failure"},
    "no sign-in offered": {"EHLO": "250 mx.example"},
    "530 at the sender": {"MAIL": "530 5.7.0 sign in first"},
    "sender not ours": {"MAIL": "553 5.7.1 sender address rejected: not owned by user"},
    "530 at the recipient": {"RCPT": "530 5.7.1 authentication required"},
    "relaying": {"RCPT": "554 5.7.1 <jane@example.org>: Relay access denied"},
    "421 at the recipient": {"RCPT": "421 4.7.0 try later"},
    "daily limit": {".": "550 5.4.5 Daily user sending limit exceeded"},
    "unverified sender": {".": "554 Message rejected: Email address is not verified."},
    "no credit": {"RCPT": "451 Authentication failed: Maximum credits exceeded"},
    "suspended": {".": "554 5.7.1 your account has been suspended"},
    "throttled": {".": "454 Throttling failure: Daily message quota exceeded"},
    "paused": {"DATA": "554 Sending paused for this account"},
    "client host listed": {
        "RCPT": "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.example"
    },
    "client listed": {"RCPT": "550 5.7.1 Service unavailable; client [203.0.113.7] blocked using zen.example"},
    "client of IPv6 listed": {"RCPT": "554 5.7.1 Client host [2001:db8::7] blocked"},
    "banned address": {"RCPT": "550 5.7.606 Access denied, banned sending IP [203.0.113.7]"},
    "banned address at the end": {"RCPT": "550 5.7.649 Access denied"},
    "banned sender": {"RCPT": "550 5.7.511 Access denied, banned sender[203.0.113.7]"},
    "traffic of our address": {"RCPT": "550 5.7.708 Access denied, traffic not accepted from this IP."},
    "tenant": {".": "550 5.7.705 Access denied, tenant has exceeded threshold"},
    "unregistered domain": {".": "550 5.7.750 Client blocked from sending from unregistered domains"},
    "outbound spam": {".": "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException"},
    "no name for our address": {".": "550 5.7.25 The IP address sending this message does not have a PTR record"},
    "block list of a network": {"RCPT": "550 5.7.1 messages from [203.0.113.7] weren't sent. Your network is listed"},
    "our address on a list": {"RCPT": "550 Rejected because 203.0.113.7 is in a black list at bl.example"},
    "our name": {"RCPT": "550 Access denied - Invalid HELO name"},
    "per hour": {"RCPT": "550 Domain example.com has exceeded the max emails per hour (100/100) allowed."},
    "per day": {
        "RCPT": "550 User has exceeded its 24-hour sending limit. Messages to 550 recipients out of 500 allowed"
    },
}


@pytest.mark.parametrize("answers", ABOUT_US.values(), ids=ABOUT_US)
async def test_refusal_of_our_account_is_told_from_a_message_refused(answers: dict[str, str], song_email: Make) -> None:
    with pytest.raises(AccountRefusedError):
        await sent_to(Script(**answers), song_email(), user="u")


ABOUT_THE_MESSAGE = {
    "no such user": {"RCPT": "550 5.1.1 no such user"},
    "mailbox full": {"RCPT": "552 5.2.2 mailbox is over quota"},
    "mailbox off": {"RCPT": "550 5.2.1 account is disabled"},
    "spam": {".": "554 5.7.1 message looks like spam"},
    "too large": {".": "552 5.3.4 message exceeds the size limit"},
    "words in the address": {"RCPT": "550 <authentication.account.suspended@unverified.sender.example> unknown"},
    "no words": {"RCPT": "550 no"},
    "account that was tried": {"RCPT": "550 The email account that you tried to reach is disabled"},
    "account that was tried, said late": {".": "550 The email account that you tried to reach is disabled"},
    "account of a user": {"RCPT": "554 delivery error: This user's account has been disabled or discontinued"},
    "account inactive": {"RCPT": "550 Requested action not taken: mailbox unavailable, account inactive"},
    "account expired": {"RCPT": "550 sorry, account expired"},
    "list of the recipient": {"RCPT": "550 5.7.1 recipient does not accept mail: sender not on the allow list"},
    "group of the recipient's": {"RCPT": "550 5.7.133 sender not authenticated for group; authentication required"},
    "sender barred by one user": {"RCPT": "550 Sender blocked by user"},
    "banned recipient": {"RCPT": "550 5.7.505 Access denied, banned recipient"},
}


@pytest.mark.parametrize("answers", ABOUT_THE_MESSAGE.values(), ids=ABOUT_THE_MESSAGE)
async def test_refusal_of_a_recipient_or_a_message_is_for_good(answers: dict[str, str], song_email: Make) -> None:
    with pytest.raises(PermanentSendError):
        await sent_to(Script(**answers), song_email())


async def test_rate_of_a_recipient_holds_nobody_else(song_email: Make) -> None:
    answer = "451 4.7.1 Recipient address rejected: rate limit exceeded for recipient, quota reached"
    with pytest.raises(TransientError) as caught:
        await sent_to(Script(RCPT=answer), song_email())
    assert not isinstance(caught.value, AccountRefusedError)


@pytest.mark.parametrize("status", ["5.7.705", "4.7.650", "5.1.1"])
def test_status_of_a_mail_server_is_kept_in_the_log(status: str) -> None:
    assert scrub(f"550 {status} no, call +1 555 555 0100") == f"550 {status} no, call [number]"


@pytest.mark.parametrize("answer", ["502 5.5.1 not implemented", "500 what", "504 no"])
async def test_helo_is_tried_where_ehlo_is_unknown(answer: str, song_email: Make) -> None:
    script = Script(EHLO=answer)
    await sent_to(script, song_email())
    assert script.heard[:3] == ["EHLO", "HELO", "MAIL"]


@pytest.mark.parametrize("answer", ["299 what", "650 what", "199 what", "garbage"])
async def test_answer_that_means_nothing_after_the_message_is_unknown(answer: str, song_email: Make) -> None:
    with pytest.raises(UnknownOutcomeError):
        await sent_to(Script(**{".": answer}), song_email())
