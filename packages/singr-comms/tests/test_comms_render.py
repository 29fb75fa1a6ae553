"""Every template, with names that try to break out of it."""

from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import jinja2
import pytest

import singr_comms
from singr_comms import (
    EmailMessage,
    SecurityEvent,
    SecurityNotice,
    SmsMessage,
    SongRequest,
    SongRequestSms,
    TwoFactorCode,
    VerificationCodeSms,
    kind_of,
    message_types,
    render_email,
    render_sms,
    sms_segments,
)
from singr_comms.channels import CHANNELS
from singr_comms.messages.digest import Digest, DigestItem
from singr_comms.rendering._formats import sentence as as_sentence
from singr_comms.rendering._formats import written_amount, written_day, written_instant
from singr_comms.rendering._languages import languages_of
from singr_comms.rendering._templates import environment, one_line
from singr_config import BrandSettings
from singr_config.text import unlinked

TEXTS = {".txt", ".html"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><a href="https://evil.example">click</a>',
    "' onmouseover='alert(1)",
    "</td></tr></table><h1>You won</h1>",
    "</style><style>*{display:none}</style>",
    "<!--[if mso]><b>",
    "{{ 7 * 7 }}{% for x in ().__class__.__mro__ %}",
    "&lt;b&gt;",
]

FORMATTED: dict[str, Callable[[str], str]] = {
    "ready_at": lambda _: "28 November 2026 at 17:00",
    "pickup_until": lambda _: "28 November 2026 at 19:30",
    "pickup_at": lambda _: "28 November 2026 at 17:00",
    "renews_on": lambda given: written_day(given, "en"),
    "first_day": lambda given: written_day(given, "en"),
    "last_day": lambda given: written_day(given, "en"),
    "occurred_at": lambda given: written_instant(given, "en"),
}


def _folder(name: str) -> str:
    (declared,) = (one for one in message_types if one.name == name)
    return str(declared.folder)


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _shown(name: str, message: EmailMessage) -> str:
    """A name as its readers see it: what organizations name forms no link."""
    return unlinked(name) if message.speaks_for == "organization" else name


def test_hostile_names_add_no_tag_and_no_attribute_to_any_email(email_of: Callable[[str], EmailMessage]) -> None:
    harmless = render_email(email_of("Jane"))
    for name in HOSTILE:
        email = email_of(name)
        attacked = render_email(email)
        seen = Tags(attacked.html)
        assert seen.tags == Tags(harmless.html).tags, name
        if harmless.html != attacked.html:
            assert _shown(name, email) in "".join(seen.words), f"the reader sees the name as given: {name}"
        assert "49" not in attacked.subject, name

        # in the text part and the subject it stands unescaped
        assert "&lt;" not in attacked.text.replace("&lt;b&gt;", ""), name
        if name in (getattr(email, "user_name", None), getattr(email, "venue_name", None)):
            assert kind_of(email) == "verification" or _shown(name, email) in attacked.text, name


def test_text_messages_show_names_unescaped(sms_of: Callable[[str], SmsMessage]) -> None:
    for name in HOSTILE:
        assert "&lt;" not in render_sms(sms_of(name)).replace("&lt;b&gt;", ""), name


def test_every_variable_reaches_both_parts(email_of: Callable[[str], EmailMessage]) -> None:
    message = email_of("Jané O'Neil")
    rendered = render_email(message)
    words = "".join(Tags(rendered.html).words)
    for variable in message.__struct_fields__:
        value = getattr(message, variable)
        if value is None or variable in {"account_type", "event", "of_organization", "period"}:  # these choose words
            continue
        if variable in FORMATTED:
            value = FORMATTED[variable](value)
        if variable == "items":
            value = value[0].title
        for line in str(value).split("\n\n"):
            assert line in rendered.text, variable
            assert line in words, variable


def test_html_suits_mail_clients(email_of: Callable[[str], EmailMessage]) -> None:
    html = render_email(email_of("Jane")).html
    seen = Tags(html)
    names = {tag for tag, _ in seen.tags}
    assert not names & {"script", "img", "link", "iframe", "form", "object", "svg", "video"}, "nothing is loaded or run"
    assert html.startswith("<!DOCTYPE html>")
    assert 'name="color-scheme" content="light dark"' in html
    assert len(html.encode()) < 102_000, "Gmail cuts longer messages"
    for tag, attributes in seen.tags:
        if tag == "table":
            assert ("role", "presentation") in attributes, "a screen reader must not read layout as data"
        if tag in {"p", "h1", "a", "td"}:
            assert dict(attributes).get("style"), f"<{tag}> carries its style itself"


def test_buttons_have_a_fallback_link_to_the_same_place(email_of: Callable[[str], EmailMessage]) -> None:
    message = email_of("Jane")
    links = [dict(attributes)["href"] for tag, attributes in Tags(render_email(message).html).tags if tag == "a"]
    wanted = [getattr(message, name) for name in message.__struct_fields__ if name.endswith("link")]
    assert links == [link for link in wanted if link] * 2


def test_a_code_stays_out_of_subject_and_preview(email_of: Callable[[str], EmailMessage]) -> None:
    message = email_of("Jane")
    code = getattr(message, "code", None) or getattr(message, "verification_code", None)
    if code is not None:
        rendered = render_email(message)
        assert code not in rendered.subject
        assert code not in rendered.html.partition("<table")[0]


def test_a_template_that_names_an_unknown_variable_fails_loudly() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().get_template(f"{_folder('welcome')}/email.subject.txt").render({})


def test_every_template_folder_is_complete_and_used() -> None:
    folders = [folder for folder in (files("singr_comms") / "messages").iterdir() if folder.name[0].isalpha()]
    assert {folder.name for folder in folders} == {one.name for one in message_types}
    for folder in folders:
        (declared,) = (one for one in message_types if one.name == folder.name)
        wanted = {text for channel in declared.models for text in CHANNELS[channel].texts}
        for place in (folder, *languages_of(folder)):
            names = {file.name for file in place.iterdir() if file.is_file() and not file.name.startswith("__")}
            assert names - {"events.txt", "status.txt"} == wanted


def test_subjects_are_one_bounded_line() -> None:
    long = "x" * 200
    rendered = render_email(SongRequest(venue_name=long, artist=long, title=long, link="https://singr.example"))
    assert len(rendered.subject) == 200
    assert rendered.subject.endswith("…")
    assert one_line("\u2068" + "\u062c" * 300 + "\u2069") == "\u2068" + "\u062c" * 197 + "…\u2069"
    assert one_line("x" * 198 + "\u2068" + "\u062c" * 9 + "\u2069") == "x" * 198 + "…"
    assert one_line("a\r\nBcc: x@example.org\u2028b\x00") == "a Bcc: x@example.org b"


@pytest.mark.parametrize("event", get_args(SecurityEvent))
def test_every_security_event_says_what_happened_and_what_to_do(event: Any) -> None:
    notice = SecurityNotice(
        user_name="Jane", event=event, occurred_at="2026-11-22T18:05Z", link="https://singr.example/"
    )
    rendered = render_email(notice)
    words = " ".join("".join(Tags(rendered.html).words).split())
    happened, todo = (" ".join(part.split()) for part in rendered.text.split("\n\n")[1:4:2])
    assert todo.startswith(("If ", "Sign in again"))
    for sentence in (happened, todo):
        assert sentence.endswith(".")
        assert sentence in words
    assert rendered.subject in words
    assert "Device" not in words
    assert "From" not in words


def test_security_events_are_told_apart() -> None:
    def one(event: Any) -> SecurityNotice:
        return SecurityNotice(user_name="J", event=event, occurred_at="now", link="https://singr.example/")

    subjects = {render_email(one(event)).subject for event in get_args(SecurityEvent)}
    assert len(subjects) == len(get_args(SecurityEvent))
    words = (
        environment()
        .get_template(f"{_folder('security_notice')}/events.txt")
        .make_module({"brand": BrandSettings()})
        .words
    )
    assert set(words) == set(get_args(SecurityEvent)), "no words without an event"


ELSEWHERE = BrandSettings(name="Krach & Co", color="#0b6e4f", site="krach.example", support="help@krach.example")


def test_a_mail_is_of_the_brand_that_the_settings_name(email_of: Callable[[str], EmailMessage]) -> None:
    rendered = render_email(email_of("Jane"), ELSEWHERE)
    for part in (rendered.subject, rendered.text, rendered.html):
        assert "Singr" not in part
        assert "singrkaraoke.com" not in part
    assert "Krach & Co - krach.example" in rendered.text
    assert "Krach &amp; Co" in rendered.html
    assert ELSEWHERE.color in rendered.html
    for color in (BrandSettings().color, BrandSettings().color_on_dark, BrandSettings().box):
        assert color not in rendered.html


def test_a_text_message_is_of_the_brand_that_the_settings_name() -> None:
    message = VerificationCodeSms(code="042917", expiry_minutes=5)
    assert render_sms(message, ELSEWHERE).startswith("Krach & Co: 042917 ")


@pytest.mark.parametrize("event", get_args(SecurityEvent))
def test_whoever_is_to_write_for_help_is_told_where_to(event: Any) -> None:
    notice = SecurityNotice(user_name="J", event=event, occurred_at="now", link="https://krach.example/")
    text = render_email(notice, ELSEWHERE).text
    assert "write to us" not in text
    assert ("write to" in text) == (ELSEWHERE.support in text)


def test_no_template_names_the_brand_or_its_colour_itself() -> None:
    brand = BrandSettings()
    package = Path(singr_comms.__file__).parent
    texts = [path for room in ("messages", "rendering") for path in (package / room).rglob("*") if path.suffix in TEXTS]
    assert len(texts) > 30
    for path in texts:
        for word in (brand.name, brand.color, brand.site, brand.color_on_dark, brand.box, brand.box_line):
            assert word not in path.read_text(encoding="utf-8"), path.name


def test_the_longest_sms_fits_what_providers_take() -> None:
    long, link = "x" * 200, "https://singr.example/" + "a" * 490
    text = render_sms(SongRequestSms(venue_name=long, artist=long, title=long, singer_name="x" * 100, link=link))
    assert len(text) <= 1600


def test_an_sms_with_typical_words_is_one_or_two_parts() -> None:
    sizes = {
        one.name: sms_segments(render_sms(message))
        for one in message_types
        for channel, message in one.samples()
        if channel == "sms"
    }
    assert len(sizes) >= 17
    for name, size in sizes.items():
        assert size.segments <= 2, name
        assert size.encoding == "GSM-7", name


@pytest.mark.parametrize(
    ("lang", "amount", "day", "instant"),
    [
        ("en", "EUR 12.50", "5 March 2026", "5 March 2026, 18:05 UTC"),
        ("de", "12,50 EUR", "5. März 2026", "5. März 2026, 18:05 UTC"),
        ("ar", "12.50 EUR", "5 مارس 2026", "5 مارس 2026، 18:05 UTC"),
    ],
)
def test_amounts_days_and_moments_are_written_as_a_language_writes_them(
    lang: str, amount: str, day: str, instant: str
) -> None:
    assert (written_amount("EUR 12.50", lang), written_day("2026-03-05", lang)) == (amount, day)
    assert written_instant("2026-03-05T18:05Z", lang) == instant
    for other in ("5 March 2026, 18:05 UTC", "2026-13-05T18:05Z", "2026-02-30T18:05Z", "2026-03-05T18:05+01:00"):
        assert written_instant(other, lang) == other, "a moment in words of somebody's stays what it is"


@pytest.mark.parametrize(
    ("given", "en", "de", "ar"),
    [
        ("EUR 12.5", "EUR 12.50", "12,50 EUR", "12.50 EUR"),
        ("EUR 12", "EUR 12.00", "12,00 EUR", "12.00 EUR"),
        ("KWD 1.5", "KWD 1.500", "1,500 KWD", "1.500 KWD"),
        ("JPY 100", "JPY 100", "100 JPY", "100 JPY"),
        ("JPY 125000", "JPY 125,000", "125.000 JPY", "125,000 JPY"),
        ("EUR 999999999.99", "EUR 999,999,999.99", "999.999.999,99 EUR", "999,999,999.99 EUR"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency_however_it_was_given(given: str, en: str, de: str, ar: str) -> None:
    assert [written_amount(given, lang) for lang in ("en", "de", "ar")] == [en, de, ar]
    assert written_amount(given, "fr") == en.replace(",", "").partition(" ")[2] + f" {given[:3]}"


@pytest.mark.parametrize("text", ["Sold out", "Sold out.", "Sold out. "])
def test_a_reason_ends_as_a_sentence_once(text: str) -> None:
    assert as_sentence(text) == "Sold out."


@pytest.mark.parametrize(
    "text", ["\u2068نفدت الكمية.\u2069", "“Sold out!”", "„Ausverkauft.“", "«Épuisé !»", "(Sold out.)"]
)
def test_a_reason_that_ends_within_an_isolate_or_a_quotation_gets_no_second_full_stop(text: str) -> None:
    assert as_sentence(text) == text


def test_names_within_a_list_are_inert_and_form_no_link() -> None:
    item = DigestItem(title="evil.example", body="a\u200bb<b>")
    digest = Digest(
        user_name="Jane",
        period="daily",
        first_day="2026-11-28",
        last_day="2026-11-28",
        items=(item,),
        link="https://singr.example/x",
    )
    rendered = render_email(digest)
    for part in (rendered.text, rendered.html):
        assert "evil. example" in part
        assert "\u200b" not in part
    assert "ab<b>" in rendered.text
    assert "ab&lt;b&gt;" in rendered.html


def test_rendering_is_pure(email_of: Callable[[str], EmailMessage]) -> None:
    assert render_email(email_of("Jane")) == render_email(email_of("Jane"))


def test_a_long_code_is_set_smaller_so_that_it_fits_a_phone() -> None:
    def size(code: str) -> str:
        html = render_email(TwoFactorCode(user_name="J", code=code, expiry_minutes=5)).html
        return html.rpartition("monospace;font-size:")[2].partition(";")[0]

    assert (size("042917"), size("ABCDEFGHJK")) == ("32px", "24px")


@pytest.mark.parametrize("event", ["account_deleted", "account_disabled"])
def test_nobody_is_sent_to_an_account_that_cannot_be_used(event: Any) -> None:
    notice = SecurityNotice(user_name="J", event=event, occurred_at="now", link="https://singr.example/")
    assert "Go to your account" not in render_email(notice).html
