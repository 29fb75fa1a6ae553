"""Segments, links and masks."""

import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from singr_comms import (
    Links,
    MagicLinkSms,
    PlainSms,
    SmsMessage,
    TwoFactorCodeSms,
    VerificationCodeSms,
    mask_email,
    mask_phone,
    render_sms,
    sms_segments,
)
from singr_comms._masking import scrub


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        (
            "a" * 152 + "€" + "a" * 152,
            "GSM-7",
            306,
            3,
        ),  # the escape moves on whole
        ("Ω" * 160, "GSM-7", 160, 1),
        ("ç" * 70, "UCS-2", 70, 1),  # the capital is in the alphabet, the small one is not
        ("ç" * 71, "UCS-2", 71, 2),
        ("e\u0301" * 160, "GSM-7", 160, 1),  # as it is sent: composed
        ("c\u0327" * 70, "UCS-2", 70, 1),
        ("🎤" * 35, "UCS-2", 70, 1),
        ("🎤" * 36, "UCS-2", 72, 2),
        ("a" * 66 + "🎤" + "a" * 66, "UCS-2", 134, 3),  # no pair is split
    ],
)
def test_segments_are_counted_as_networks_bill_them(text: str, encoding: str, units: int, segments: int) -> None:
    counted = sms_segments(text)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, segments)


def test_a_letter_that_came_in_two_costs_a_text_message_no_alphabet() -> None:
    apart = PlainSms(text="Cafe\u0301, Mu\u0308nchen: \u2460 ffi \ufb03")
    assert render_sms(apart) == "Café, München: \u2460 ffi \ufb03", "nothing but composed: what looks alike stays"
    assert sms_segments(render_sms(PlainSms(text="Cafe\u0301 " * 30))).encoding == "GSM-7"


def test_composing_makes_no_text_message_longer() -> None:
    assert len(render_sms(PlainSms(text="\ufb2c" * 1600))) == 1600


@pytest.mark.parametrize(
    "message",
    [
        VerificationCodeSms(code="042917", expiry_minutes=1440),
        TwoFactorCodeSms(code="042917", expiry_minutes=5),
        MagicLinkSms(magic_link="https://app.singrkaraoke.com/auth/magic?token=" + "a" * 43, expiry_minutes=15),
    ],
)
def test_sign_in_texts_cost_one_segment(message: SmsMessage) -> None:
    assert sms_segments(render_sms(message)).segments == 1


def test_links_lead_where_the_specification_says() -> None:
    links = Links(SimpleNamespace(url_web="https://singr.example/", url_customer="https://customer.example"))
    assert links.verify_email("t") == "https://singr.example/verify-email?token=t"
    assert links.reset_password("t") == "https://singr.example/reset-password?token=t"
    assert links.magic_link("t") == "https://singr.example/auth/magic?token=t"
    assert links.invitation("t") == "https://customer.example/invitation?token=t"
    assert links.requests() == "https://customer.example/requests"
    assert links.account() == "https://singr.example"
    assert links.dashboard("customer") == "https://customer.example"
    assert links.dashboard("singer") == "https://singr.example"


@pytest.mark.parametrize("token", ["a&admin=1", "a#b", "a b", "ä", "a\r\nb", "../../x", "a?b=c"])
def test_a_token_cannot_leave_its_parameter(token: str) -> None:
    links = Links(SimpleNamespace(url_web="https://singr.example", url_customer="https://customer.example"))
    parts = urlsplit(links.verify_email(token))
    assert parts.path == "/verify-email"
    assert parts.fragment == ""
    assert parse_qs(parts.query) == {"token": [token]}


def test_masks_keep_just_enough_to_recognize() -> None:
    assert mask_email("jane@x.org") == "j***@x.org"
    assert mask_phone("+15555550100") == "+1******0100"
    assert mask_phone("12345") == "*****"


def test_providers_words_are_kept_without_people_and_codes() -> None:
    words = scrub(
        "The number +1 (555) 555-0100 for jane.doe+x@example.org\r\n is bad, code 042917 \x1b[31m" + "x" * 999
    )
    assert "555" not in words
    assert "jane.doe" not in words
    assert "042917" not in words
    assert "\n" not in words
    assert "\x1b" not in words
    assert len(words) <= 300


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no jane.doe%40example.org here", "no j***@example.org here"),
        ("no jane.doe%2540example.org", "no j***@example.org"),
        ('no "jane doe"@example.org', "no j***@example.org"),
        (r'no "jane \"j\" doe"@example.org', "no j***@example.org"),
        ("no jane.doe\uff20example.org", "no j***@example.org"),
        ("no <jane.doe&#64;example.org>", "no <j***@example.org>"),
        (r"no jane.doe\u0040example.org", "no j***@example.org"),
        ("no jöhn.doe@exämple.org", "no j***@exämple.org"),
        ("no jane.doe@[192.0.2.1]", "no j***@[[number]]"),
        ("call \uff0b\uff11\uff15\uff15\uff15\uff15\uff15\uff15 now", "call [number] now"),
        ("code \u0660\u0664\u0662\u0669\u0661\u0667", "code [number]"),
        ("id 12345678901234567890123", "id [number]"),
    ],
)
def test_addresses_and_numbers_are_masked_however_they_are_written(said: str, kept: str) -> None:
    assert scrub(said) == kept


def test_an_address_is_masked_where_the_words_are_cut() -> None:
    assert scrub("x" * 290 + " jane.doe@example.org").endswith(" j***@exam")
    assert mask_email("jane.doe\uff20example.org") == "***"


@pytest.mark.parametrize("part", ["a@", "a", '"', '"\\', "%25", "1 ", "&#", "a%40", " "])
def test_words_of_any_length_are_scrubbed_in_bounded_time(part: str) -> None:
    text = part * (1_000_000 // len(part))
    began = time.process_time()
    assert len(scrub(text)) <= 300
    assert time.process_time() - began < 0.5
