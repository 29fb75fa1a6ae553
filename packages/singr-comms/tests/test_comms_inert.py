"""Text of people in what leaves: the finished bytes and requests, and what a reader sees of them."""

import email
import email.policy
import itertools
import json
import random
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

import singr_comms.rendering._mime
from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    InvalidMessageError,
    Invitation,
    MailjetProvider,
    PermanentSendError,
    PlainSms,
    SmsEnvelope,
    SmtpProvider,
    SongRequest,
    SongRequestSms,
    TwilioProvider,
    render_email,
    render_sms,
)
from singr_comms.providers.mailjet import _judge as judge_request
from singr_comms.rendering._inert import NAMELESS, inert
from singr_comms.rendering._mime import HEADERS, UnsafeMailError, judge, write_mail
from singr_config import Secret
from singr_config.text import unlinked

Make = Callable[..., Any]
SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr")

ENCODED_WORDS = {
    "reply-to": "=?utf-8?q?Jo=0D=0AReply-To=3A_evil=40example.org?=",
    "bcc": "=?utf-8?b?SGkNCkJjYzogeEBldmlsLmV4YW1wbGU=?=",
    "body": "=?us-ascii?q?Hi=0D=0A=0D=0A=3Ch1=3EYou_won=3C/h1=3E?=",
    "lone CR": "=?iso-8859-1?q?Hi=0DBcc=3A_x?=",
    "lone LF": "=?utf-16?b?AEgAaQAKAEIAYwBjADoAIAB4?=",
    "NUL": "=?utf-8?q?a=00b?=",
    "override": "=?utf-8?q?=E2=80=AEmoc?=",
    "language": "=?utf-8*en?q?Jo=0D=0ABcc=3A_x?=",
    "adjacent": "=?utf-8?q?a?= =?utf-8?q?=0D=0ABcc=3A_x?=",
    "unknown": "=?x-nothing?q?=0D=0ABcc=3A_x?=",
    "broken": "=?utf-8?q?=0D=0ABcc=3A_x",
    "in words": "Ada =?utf-8?q?=0D=0ABcc=3A_x?= Lovelace",
}
TEMPLATES = ["{{var:x}}", "{%if 1%}", "[[data:email]]", "{\u200b{var:x}}", "{{{x}}}", "{\u200b%x%}", "a{", "[", "{#x#}"]
WORDS = [
    "Zoë",
    "Müller",
    "naïve",
    "café",
    "song",
    "日本語",
    "Ελλάδα",
    "🎤",
    "Привет",
    "señor",
    "a",
    "an",
    "Łódź",
    "l'été",
]


def song(**changes: Any) -> SongRequest:
    usual = {"venue_name": "Café", "artist": "Ada", "title": "Song", "link": "https://singr.example/r"}
    return SongRequest(**(usual | changes))


def written(*, subject: str = "Hello", name: str = "", text: str = "Hi\n", html: str = "<p>Hi</p>\n") -> bytes:
    return write_mail(
        sender=("Singr", "noreply@singrkaraoke.com"),
        recipient=(name, "jane@example.org"),
        subject=subject,
        date="Thu, 26 Nov 2026 15:00:00 -0000",
        message_id="token@singrkaraoke.com",
        text=text,
        html=html,
    )


def headers_of(content: bytes) -> list[str]:
    head = content.partition(b"\r\n\r\n")[0].decode("ascii")
    return [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]


def subject_seen(content: bytes) -> str:
    """The subject as a reader shows it that knows RFC 2047 and decodes once."""
    raw = email.message_from_bytes(content, policy=email.policy.compat32)["Subject"]
    return str(make_header(decode_header(raw)))


@pytest.mark.parametrize("words", ENCODED_WORDS.values(), ids=ENCODED_WORDS)
@pytest.mark.parametrize("place", ["title", "artist", "venue_name", "name"])
async def test_encoded_word_of_a_user_stays_visible_text_and_adds_no_header(
    words: str, place: str, mailbox: Any, smtp: Make
) -> None:
    to = EmailAddress("jane@example.org", words if place == "name" else "Jane")
    message = song() if place == "name" else song(**{place: words})
    async with smtp() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        await provider.send(EmailEnvelope(to=to, message=message, idempotency_token="t"))
    (content,) = mailbox.mails
    assert headers_of(content) == list(HEADERS)
    assert b"evil" not in content.partition(b"\r\n\r\n")[0]
    if place in {"title", "artist"}:
        assert unlinked(words) in subject_seen(content)


@pytest.mark.parametrize("words", ENCODED_WORDS.values(), ids=ENCODED_WORDS)
async def test_encoded_word_of_an_inviter_adds_no_header(words: str, mailbox: Any, smtp: Make) -> None:
    message = Invitation(
        inviter_name=words, organization_name=words, invitation_link="https://singr.example/i", expiry_days=7
    )
    async with smtp() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        to = EmailAddress("jane@example.org", words)
        await provider.send(EmailEnvelope(to=to, message=message, idempotency_token="t"))
    assert headers_of(mailbox.mails[0]) == list(HEADERS)
    assert words in subject_seen(mailbox.mails[0])


@pytest.mark.parametrize("words", ENCODED_WORDS.values(), ids=ENCODED_WORDS)
def test_encoded_word_alone_in_a_subject_is_shown_as_it_was_typed(words: str) -> None:
    assert subject_seen(written(subject=words, name=words)) == words


def texts(count: int) -> list[str]:
    draw = random.Random(2047)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 14)))[:200].strip() for _ in range(count)]


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.full)])
def test_folding_keeps_every_space_between_words_with_accents(count: int) -> None:
    for text in texts(count):
        assert subject_seen(written(subject=text)) == text


@pytest.mark.parametrize("count", [200, pytest.param(5_000, marks=pytest.mark.full)])
def test_finished_bytes_are_seven_bit_lines_of_at_most_998(count: int) -> None:
    for text in texts(count):
        content = written(subject=text, name=text, text=text * 9, html=f"<p>{text * 9}</p>")
        assert content.isascii()
        assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
        assert max(map(len, content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "text", ["a\rb", "a\r\n\r\n.\r\nMAIL FROM:<x@evil.example>", ".\n.", "--=_\n", "\x0bx\x0c", "é" * 300]
)
def test_body_comes_back_as_it_was_and_ends_no_mail(text: str) -> None:
    content = written(text=text)
    assert b"\r\n.\r\n" not in content
    parts: Any = email.message_from_bytes(content, policy=email.policy.compat32).get_payload()
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert parts[0].get_payload(decode=True).decode().replace("\r\n", "\n") == text.replace("\r\n", "\n")


BROKEN = {
    "bare LF": (b"Subject: Hello\r\n", b"Subject: Hello\nBcc: x\r\n"),
    "bare CR": (b"Subject: Hello\r\n", b"Subject: Hello\rBcc: x\r\n"),
    "NUL": (b"Subject: Hello", b"Subject: He\x00llo"),
    "escape": (b"Subject: Hello", b"Subject: He\x1bllo"),
    "byte beyond ASCII": (b"Subject: Hello", "Subject: Hellö".encode()),
    "header too many": (b"Subject: Hello\r\n", b"Subject: Hello\r\nBcc: x@evil.example\r\n"),
    "header twice": (b"Subject: Hello\r\n", b"Subject: Hello\r\nSubject: Hello\r\n"),
    "header missing": (b"Auto-Submitted: auto-generated\r\n", b""),
    "end of headers": (b"Subject: Hello\r\n", b"Subject: Hello\r\n\r\n<h1>You won</h1>\r\n"),
    "encoded line end": (b"Subject: Hello", b"Subject: =?utf-8?b?SGkNCkJjYzogeA==?="),
    "long line": (b"Subject: Hello", b"Subject: " + b"x" * 1000),
    "header in a part": (b"Content-Transfer-Encoding", b"X-Evil: 1\r\nContent-Transfer-Encoding"),
}


@pytest.mark.parametrize(("sound", "broken"), BROKEN.values(), ids=BROKEN)
def test_bytes_that_are_not_the_mail_that_was_meant_do_not_leave(sound: bytes, broken: bytes) -> None:
    content = written()
    boundary = content.partition(b'boundary="')[2].partition(b'"')[0].decode()
    judge(content, boundary=boundary)
    assert sound in content
    with pytest.raises(UnsafeMailError):
        judge(content.replace(sound, broken, 1), boundary=boundary)


def test_third_part_does_not_leave() -> None:
    content = written()
    boundary = content.partition(b'boundary="')[2].partition(b'"')[0].decode()
    with pytest.raises(UnsafeMailError):
        judge(content.replace(b"Hi", b"Hi\r\n--" + boundary.encode() + b"\r\n"), boundary=boundary)


async def test_address_that_holds_an_encoded_word_is_refused(smtp: Make, mailbox: Any) -> None:
    to = EmailAddress("=?x?q?collab=40evil.example=3e?=foo@example.org")
    async with smtp() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        with pytest.raises(InvalidMessageError) as caught:
            await provider.send(EmailEnvelope(to=to, message=song(), idempotency_token="t"))
    assert caught.value.field == "to.email"
    assert mailbox.mails == []


def vulnerable_pythons() -> list[Path]:
    """Interpreters beside ours whose header classes write decoded line ends out raw (CVE-2024-6923)."""
    found = itertools.chain.from_iterable(
        (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.{patch}/bin/python")
        for minor, last in ((11, 9), (12, 4))
        for patch in range(last + 1)
    )
    return [*found] or [Path(sys.executable)]


@pytest.mark.parametrize("python", vulnerable_pythons(), ids=lambda python: python.parts[-3])
def test_bytes_are_harmless_on_a_python_whose_own_header_classes_are_not(python: Path) -> None:
    program = (
        "import importlib.util, json, sys\n"
        "spec = importlib.util.spec_from_file_location('mime', sys.argv[1])\n"
        "mime = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(mime)\n"
        "for word in json.load(sys.stdin):\n"
        "    mail = mime.write_mail(sender=(word, 'a@b.example'), recipient=(word, 'c@d.example'), subject=word,\n"
        "        date='Thu, 26 Nov 2026 15:00:00 -0000', message_id='t@b.example', text=word, html=word)\n"
        "    head = mail.partition(b'\\r\\n\\r\\n')[0].decode('ascii')\n"
        "    names = [line.partition(':')[0] for line in head.split('\\r\\n') if line[0] != ' ']\n"
        "    assert names == list(mime.HEADERS), names\n"
        "print('harmless')\n"
    )
    done = subprocess.run(
        [python, "-c", program, singr_comms.rendering._mime.__file__],
        input=json.dumps(list(ENCODED_WORDS.values())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "harmless\n", done.stderr


# --- what cannot be seen, and what turns the rest --------------------------------------------------------------------

UNSEEN = "\u200b\u200e\u200f\u061c\u2060\u2061\u2064\ufeff\u00ad\u180e\u034f\u115f\u1160\u3164\uffa0\u2800\u17b4\ufffc"
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TAGS = "\U000e0041\U000e0001\U000e0100\ufe00"


@pytest.mark.parametrize("character", UNSEEN + TURNING + TAGS, ids=lambda character: f"U+{ord(character):04X}")
def test_character_that_cannot_be_seen_or_turns_the_rest_is_taken_out(character: str) -> None:
    assert inert(f"Ada{character}Lovelace") == "AdaLovelace"


@pytest.mark.parametrize(
    "text",
    [
        "Zoë Müller",
        "日本語",
        "محمد",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d🎤",
        "❤\ufe0f",
        "1\ufe0f⃣",
        "क्\u200dष",
        "A\u00a0B",
        "\u3000x",
        "e\u0301",
    ],
)
def test_text_that_people_write_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_no_format_control_or_separator_passes_between_latin_letters() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}:
            assert inert(f"a{character}b") in {"ab", "a b"}


@pytest.mark.parametrize("text", ["\u200b", "\u3164\u2800", " \u202e ", "\ufe0f"])
def test_name_of_which_nothing_can_be_seen_is_shown_as_unnamed(text: str) -> None:
    assert inert(text) == NAMELESS


@pytest.mark.parametrize("character", UNSEEN + TAGS, ids=lambda character: f"U+{ord(character):04X}")
def test_no_part_of_a_mail_or_sms_holds_what_cannot_be_seen(character: str) -> None:
    rendered = render_email(song(title=f"a{character}b", artist=f"a{character}b"))
    assert character not in rendered.subject + rendered.text + rendered.html
    assert render_sms(PlainSms(text=f"a{character}b\nc")) == "ab\nc"


# --- the requests of HTTP providers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [0, 4711], ids=["own parts", "template"])
@pytest.mark.parametrize("words", [*TEMPLATES, *ENCODED_WORDS.values()])
async def test_nothing_that_mailjet_would_interpret_leaves(
    words: str, template: int, raw_server: Any, http: httpx.AsyncClient
) -> None:
    provider = MailjetProvider(
        http,
        api_key=Secret("k"),
        secret_key=Secret("s"),
        sender=SENDER,
        base_url=raw_server.url,
        templates={"song_request": template},
    )
    envelope = EmailEnvelope(
        to=EmailAddress("jane@example.org", words),
        message=song(title=words, artist=words, link="https://singr.example/r?x=[[a]]"),
        idempotency_token="t",
    )
    with pytest.raises(Exception, match="mailjet"):  # the server's answer is not Mailjet's
        await provider.send(envelope)
    (message,) = json.loads(raw_server.received[0]["body"])["Messages"]
    assert not {"Headers", "Cc", "Bcc", "ReplyTo"} & set(message)
    whole = json.dumps(message, ensure_ascii=False)
    for special in ("{{", "{%", "[[", "\u200b", "\u202e"):
        assert special not in whole.replace('{"', "").replace("[{", "")
    for header in (message.get("Subject", ""), message["To"][0]["Name"], message.get("Variables", {}).get("title", "")):
        assert "=?" not in header


@pytest.mark.parametrize(
    "part",
    [
        {"Subject": "a\r\nBcc: x"},
        {"To": [{"Name": "a\nb"}]},
        {"Subject": "=?utf-8?q?x?="},
        {"TextPart": "a {{var:x}}"},
        {"HTMLPart": "{% if x %}"},
        {"Variables": {"title": "[[x]]"}},
        {"TextPart": "a\x00b"},
    ],
)
def test_unsafe_request_to_mailjet_does_not_leave(part: dict[str, object]) -> None:
    with pytest.raises(PermanentSendError) as caught:
        judge_request(part)
    assert caught.value.code == "unsafe_mail"


async def test_sms_of_a_user_reaches_twilio_as_one_field(raw_server: Any, http: httpx.AsyncClient) -> None:
    raw_server.answers.append((201, {}, {"sid": "SM1", "status": "queued"}))
    provider = TwilioProvider(
        http, account_sid="AC1", auth_token=Secret("t"), sender="+15555550100", base_url=raw_server.url
    )
    message = PlainSms(text="a&To=+15555550199&Body=x=1;\u200b%0d%0aTo: {{x}}")
    await provider.send(SmsEnvelope(to="+15555550101", message=message, idempotency_token="t"))
    form = parse_qs(raw_server.received[0]["body"], strict_parsing=True)
    assert form == {
        "To": ["+15555550101"],
        "From": ["+15555550100"],
        "Body": ["a&To=+15555550199&Body=x=1;%0d%0aTo: {{x}}"],
    }


LEADING = [
    "https://evil.example/login",
    "evil.example",
    "evil\u3002example",
    "evil\uff0eexample",
    "https\uff1a//evil",
    "a@b.co",
]
DOTS = ".:\u3002\uff0e\uff1a"


def _runs_on(text: str) -> list[str]:
    """Dots and colons with something right behind them: what mail programs and phones make links of."""
    return [text[at : at + 2] for at, one in enumerate(text[:-1]) if one in DOTS and not text[at + 1].isspace()]


@pytest.mark.parametrize("words", LEADING)
@pytest.mark.parametrize("field", ["venue_name", "artist", "title", "singer_name"])
def test_what_an_organization_names_forms_no_link_beside_its_own(words: str, field: str) -> None:
    named = {"venue_name": "Demo", "artist": "Queen", "title": "Bohemian", "singer_name": "Ada"} | {field: words}
    link = "https://singrkaraoke.com/r"

    mail = render_email(SongRequest(link=link, **named))
    sms = render_sms(SongRequestSms(link=link, **named))

    said = words.replace("https:", "").strip("/")
    for part in (mail.subject, mail.text, mail.html, sms):
        assert said not in part, "as it was typed"
    assert _runs_on(mail.subject) == []


def test_what_the_platform_itself_says_stays_as_it_is() -> None:
    assert "St.Elmo" in render_sms(PlainSms(text="St.Elmo's: 20:30"))
