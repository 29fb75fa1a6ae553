"""A message shown without being sent: pure, in one language as a whole, every fault of its data named at once."""

from pathlib import Path
from typing import Any

import pytest

from singr_comms import (
    DeclarationError,
    EmailAddress,
    InvalidDataError,
    InvalidMessageError,
    Message,
    MessageType,
    MessageTypes,
    PlainSms,
    UnknownTypeError,
    message_from,
    message_types,
    preview,
    sms_segments,
)
from singr_comms.channels import CHANNELS
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._languages import direction, fitting, isolated

WORDS = {"email.subject.txt": "Hi {{ user }}", "email.txt": "Hello {{ user }}", "email.html": "<p>Hello {{ user }}</p>"}
GERMAN = {"email.subject.txt": "Hallo {{ user }}", "email.txt": "Guten Tag", "email.html": "<p>Guten Tag</p>"}
NAME = "\u062c\u064a\u0646"


class Hello(Message, tag="hello_there", frozen=True, kw_only=True):
    user: str


def known(path: Path, **languages: dict[str, str]) -> MessageTypes:
    """A catalogue of one type, with words in these languages beside English."""
    for language, words in {"": WORDS, **languages}.items():
        (path / language).mkdir(exist_ok=True)
        for name, said in words.items():
            (path / language / name).write_text(said)
    types = MessageTypes()
    types.add(MessageType(path, email=Hello, examples=(lambda name: Hello(user=name),)))
    return types


@pytest.mark.parametrize("one", list(message_types), ids=lambda one: one.name)
def test_every_example_is_shown_with_its_words_and_what_it_costs(one: MessageType) -> None:
    for channel, message in one.samples():
        shown = preview(message)
        assert (shown.type, shown.channel, shown.locale, shown.fell_back) == (one.name, channel, "en", False)
        assert preview(message) == shown, "the same in, the same out"
        if channel == "sms":
            assert shown.segments == sms_segments(shown.text)
        if channel == "push":
            assert shown.bytes < 4096
        if channel == "email":
            assert shown.html == shown.page()


@pytest.mark.parametrize(
    ("asked", "used", "fell_back"),
    [(None, "en", False), ("de", "de", False), ("de-AT", "de", False), ("en-GB", "en", False), ("fr", "en", True)],
)
def test_language_is_the_one_asked_for_or_its_root_or_english_and_says_so(
    tmp_path: Path, asked: str | None, used: str, fell_back: Any
) -> None:
    types = known(tmp_path, de=GERMAN)
    shown = preview(Hello(user="Jane"), locale=asked, catalogue=types)
    assert (shown.locale, shown.fell_back) == (used, fell_back)
    assert (shown.subject, shown.text) == (
        ("Hallo Jane", "Guten Tag\n") if used == "de" else ("Hi Jane", "Hello Jane\n")
    )


@pytest.mark.parametrize(
    ("asked", "organizations", "used", "fell_back"),
    [
        ("fr", "de", "de", True),
        (None, "de", "de", False),
        ("en", "de", "en", False),
        ("de-AT", "fr", "de", False),
        ("fr", "nl", "en", True),
        (None, "nl", "en", True),
    ],
)
def test_language_of_the_organization_is_next_as_in_what_is_sent(
    tmp_path: Path, asked: str | None, organizations: str, used: str, fell_back: Any
) -> None:
    types, brand = known(tmp_path, de=GERMAN), OrganizationBrand(locale=organizations)
    shown = preview(Hello(user="Jane"), locale=asked, brand=brand, catalogue=types)
    assert (shown.locale, shown.fell_back) == (used, fell_back)
    assert shown.text == ("Guten Tag\n" if used == "de" else "Hello Jane\n")
    sent = CHANNELS["email"].enclose(EmailAddress("j@example.org"), Hello(user="Jane"), "t", asked, organizations)
    assert (sent.locale or "en") == shown.locale


def test_language_without_all_texts_is_refused_where_the_type_is_declared(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"in de for email are missing: write email\.html, email\.txt in"):
        known(tmp_path, de={"email.subject.txt": "Hallo"})


def test_words_of_a_language_are_tried_out_with_the_others(tmp_path: Path) -> None:
    types = known(tmp_path, de=GERMAN | {"email.txt": "Guten Tag {{ nobody }}"})
    (one,) = types
    with pytest.raises(DeclarationError, match=r"words for email in de cannot be rendered \(UndefinedError"):
        one.try_out()


def test_name_written_the_other_way_is_set_apart_and_turns_nothing_else(tmp_path: Path) -> None:
    types = known(tmp_path, ar=GERMAN | {"email.subject.txt": "\u0645\u0631\u062d\u0628\u0627 {{ user }}"})
    assert preview(Hello(user=NAME), catalogue=types).subject == f"Hi \u2068{NAME}\u2069"
    arabic = preview(Hello(user="Jane Doe"), locale="ar", catalogue=types)
    assert arabic.subject == "\u0645\u0631\u062d\u0628\u0627 \u2068Jane Doe\u2069"
    assert preview(Hello(user=NAME), locale="ar", catalogue=types).subject == f"\u0645\u0631\u062d\u0628\u0627 {NAME}"


def test_isolates_that_somebody_typed_are_taken_out_first() -> None:
    assert isolated("A-1042", "ltr") == "A-1042"
    assert isolated("A-1042", "rtl") == "\u2068A-1042\u2069"
    assert isolated("042917", "rtl") == "042917"
    assert (direction("ar-EG"), direction("de")) == ("rtl", "ltr")


def test_first_of_the_wanted_languages_that_there_are_words_in_is_taken() -> None:
    there = {"de", "pt-BR"}
    assert fitting(there, None, "fr", "de-CH") == "de"
    assert fitting(there, "pt-BR", "de") == "pt-BR"
    assert fitting(there, "en-US", "de") == "en"
    assert fitting(there, None) == "en"


@pytest.mark.parametrize(
    ("wanted", "had"),
    [
        ("zh-Hant-TW", "zh-Hant"),
        ("zh_hant_tw", "zh-Hant"),
        ("pt_br", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("zh-Hans-CN", "zh"),
    ],
)
def test_a_language_is_looked_for_by_less_and_less_of_its_tag_in_whatever_letters(wanted: str, had: str) -> None:
    assert fitting({"zh", "zh-Hant", "pt-BR"}, wanted) == had


def test_every_fault_of_data_is_named_at_once_by_its_path() -> None:
    data: dict[str, Any] = {"user_name": "", "items": [{"title": "x" * 201}], "extra": 1, "more": -1}
    with pytest.raises(InvalidDataError) as caught:
        message_from("digest", "email", data)
    assert caught.value.faults.keys() == {
        *("extra", "user_name", "period", "first_day", "last_day", "items[0].title", "link", "more"),
    }
    assert caught.value.faults["more"] == "must be an integer of at least 0"


def test_every_fault_in_each_item_of_a_list_is_named_but_of_one_that_is_too_long_its_length_alone() -> None:
    bad = [{"title": "", "body": 7, "more": 1}, {"title": "x"}, {"body": "x"}, 7]
    each = {"items[0].title", "items[0].body", "items[0].more", "items[2].title", "items[3]"}
    for items, named in ((bad, each), (bad * 50, {"items"})):
        with pytest.raises(InvalidDataError) as caught:
            message_from("digest", "email", {"items": items})
        assert {path for path in caught.value.faults if path.startswith("items")} == named


@pytest.mark.parametrize(("kind", "channel", "field"), [("nothing", "sms", "type"), ("price_drop", "sms", "channel")])
def test_type_or_channel_that_is_not_there_is_named(kind: str, channel: str, field: str) -> None:
    with pytest.raises(UnknownTypeError) as caught:
        message_from(kind, channel, {})
    assert caught.value.field == field


def test_what_another_channel_of_the_type_takes_is_left_out() -> None:
    assert message_from("plain", "sms", {"title": "You are next", "text": "Come on."}) == PlainSms(text="Come on.")
    with pytest.raises(InvalidDataError) as caught:
        message_from("plain", "sms", {"titel": "You are next", "text": "Come on."})
    assert list(caught.value.faults) == ["titel"]


def test_message_made_in_python_is_checked_too() -> None:
    with pytest.raises(InvalidMessageError, match="text: must have at least 1 character"):
        preview(PlainSms(text=""))
