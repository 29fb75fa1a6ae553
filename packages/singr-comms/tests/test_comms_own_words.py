"""Own words of organizations say something, tell all, and name no site, not even with what people are called."""

import pytest

from singr_comms.catalogue import message_types
from singr_comms.notifications import BrandingError, BrandingInput, OverrideInput, check_brand
from singr_comms.notifications.branding._store import check_override
from singr_comms.notifications.branding._wording import may_be_worded, not_open
from singr_comms.rendering._own_words import _plain, names_site


def check(text: str, channel: str = "email", subject: str | None = None) -> None:
    check_override("order_ready", channel, "en", OverrideInput(text=text, subject=subject))


@pytest.mark.parametrize(
    "text",
    [
        "See evil.{user_name}",
        "See {farm_name}.{user_name}",
        "{farm_name}.com",
        "1.2.3.{order_number}",
        "example\u3002{user_name}",
        "{user_name}\u3002com",
        "x/{user_name}",
        "{user_name}/x",
        "{user_name}\N{FULLWIDTH FULL STOP}com",
        "{link}@evil",
        "{user_name}{farm_name}",
        "1.2.3{order_number}",
        "{order_number}5.6",
        "{link}vil",
        "{link}{user_name}",
        "{link}-shop",
        "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
        "example\u3002com",
        "example\uff61\u0440\u0444",
        "evil\N{SOFT HYPHEN}.\N{ZERO WIDTH SPACE}com",
        "\u0909\u0926\u093e\u0939\u0930\u0923.\u092d\u093e\u0930\u0924",
        "1.2.3.4/x",
        "www.x",
        "HTTPS://x",
    ],
)
def test_no_site_is_named_though_variables_would_be_a_part_of_it(text: str) -> None:
    with pytest.raises(BrandingError, match=r"web address|another site"):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello {user_name}.",
        "Hello {user_name}. Ready at {pickup_place}: {link}.",
        "({link})",
        "Ready.\n{link}\n/ {farm_name} /",
        "Open {link}, please",
        "z.B. at 5 p.m. on 24.12.2026, for 12.50",
        "Wait...And see; 01.02.03.04.05",
        "\u3067\u304d\u307e\u3057\u305f\u3002\u3042\u308a\u304c\u3068\u3046\u3002",
        "No. 5{order_number}, {order_number}a.",
        "{user_name},\n{farm_name}: {order_number}",
    ],
)
def test_ordinary_words_are_taken(text: str) -> None:
    check(text)


@pytest.mark.parametrize("site", ["\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "example\u3002com", "1.2.3.4/x"])
def test_feet_and_names_of_brands_name_none_either(site: str) -> None:
    for field in ("name", "footer"):
        with pytest.raises(BrandingError, match=f"{field} must not contain a web address"):
            check_brand(BrandingInput(**{"name": "Farm", "color": "#0a6640"} | {field: f"See {site}"}))
    assert not names_site("12 Creek Road, St. Gallen")


def test_all_that_is_wrong_is_told_at_once_whoever_asks() -> None:
    for given, fields in (
        (("order_ready", "sms", "fr", OverrideInput(text="{nope} {")), ["locale", "text", "text"]),
        (("order_ready", "pigeon", "en", OverrideInput(text="x\0", subject="")), ["channel", "text", "subject"]),
        (([], "sms", "en", {"text": "x"}), ["type", ""]),
    ):
        with pytest.raises(BrandingError) as caught:
            check_override(*given)  # type: ignore[arg-type] # it is what is wrong
        assert [field for field, _ in caught.value.faults] == fields
    with pytest.raises(BrandingError) as caught:
        check_brand(BrandingInput(name="Farm", color="green", locale="german"))
    assert [field for field, _ in caught.value.faults] == ["color", "locale"]


@pytest.mark.parametrize("channel", ["email", "sms", "push"])
def test_words_that_may_come_out_empty_are_refused(channel: str) -> None:
    with pytest.raises(BrandingError, match="text must not be empty"):
        check(" {pickup_until} \u200b", channel)
    check("{pickup_until} {order_number}", channel)
    if channel != "sms":
        with pytest.raises(BrandingError, match="subject must not be empty"):
            check("Ready", channel, "{pickup_until}")


def test_sms_stays_short_with_the_longest_variables_too() -> None:
    check("x" * 480, "sms")
    with pytest.raises(BrandingError, match="at most 480 characters"):
        check("x" * 481, "sms")
    with pytest.raises(BrandingError, match="longest variables"):
        check("{farm_name} " * 17, "sms")


@pytest.mark.parametrize(
    ("channel", "words", "field"),
    [
        ("email", {"text": "{text} " * 1_400}, "text"),
        ("email", {"text": "{text} {text} {text}"}, "text"),
        ("email", {"text": "x", "subject": "{text}"}, "subject"),
        ("email", {"text": "{title} " * 100}, "text"),
        ("push", {"text": "{text} " * 5}, "text"),
        ("push", {"text": "x", "subject": "{text} " * 3}, "subject"),
    ],
)
def test_words_on_every_channel_are_bounded_by_what_they_come_out_at(
    channel: str, words: dict[str, str], field: str
) -> None:
    with pytest.raises(BrandingError, match=rf"^{field} must be at most [\d,]+ characters with the longest variables"):
        check_override("plain", channel, "en", OverrideInput(**words))


def test_words_around_the_longest_variables_are_taken() -> None:
    around = OverrideInput(text="x" * 7_000 + "\n{text}\n{link}", subject="{title}, {title}")
    check_override("plain", "email", "en", around)
    check_override("plain", "push", "en", OverrideInput(text="x" * 300 + "{text} {title}", subject="{title}: {text}"))


def test_error_about_the_length_names_the_variable_that_makes_it() -> None:
    with pytest.raises(BrandingError, match=r"may come out at 40,204: name fewer, such as \{text\}, .* 10,000 each"):
        check_override("plain", "email", "en", OverrideInput(text="{title}" + " {text}" * 4))


def test_type_that_tells_more_than_a_text_can_keeps_its_words() -> None:
    digest = message_types.named("digest")
    assert digest is not None
    assert may_be_worded(digest), "it looks like the organization's"
    with pytest.raises(BrandingError, match=r"tells more than a text can \(items\)"):
        check_override("digest", "email", "en", OverrideInput(text="Ready"))


@pytest.mark.parametrize("sentence", ["\ufdfa", "\ufdfb"])
def test_characters_that_are_sentences_are_not_written_out_and_are_letters_still(sentence: str) -> None:
    assert len(_plain(sentence * 10_000)) <= 20_000
    assert names_site(f"evil.{sentence}")
    assert names_site(f"{sentence}.evil")
    assert not names_site(f"Peace {sentence} here.")


def test_all_other_types_of_organizations_may_be_worded() -> None:
    others = [one for one in message_types if may_be_worded(one) and one.name != "digest"]
    assert others
    for declared in others:
        for channel in declared.models:
            assert not [*not_open(declared, channel, "en")]
