"""A long text of somebody's makes a mail of its own size, not of a hundred times as much."""

import pytest

from singr_comms.catalogue import EXAMPLE_LINK, Message
from singr_comms.channels import CHANNELS
from singr_comms.messages.campaign import Campaign
from singr_comms.messages.plain import PlainEmail, PlainPush, PlainSms
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_comms.rendering._paragraphs import MOST_PARAGRAPHS
from singr_comms.rendering._templates import DEFAULT_BRAND, render

LONG = {
    "lines": "a\n" * 4_999 + "a",
    "paragraphs": "a\n\n" * 3_332 + "aaaa",
    "paragraphs with spaces between": "a\n \n" * 2_499 + "aaaa",
    "short paragraphs": ("a\n" * 10 + "\n") * 476,
    "what is escaped": "&\n" * 4_999 + "&",
}


def page(message: Message, locale: str = "en") -> str:
    [html] = render(message, DEFAULT_BRAND, "email.html", locale=locale)
    return html


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_a_text_of_many_lines_costs_little_for_each(text: str, locale: str) -> None:
    for message in (PlainEmail(title="x", text=text), Campaign(title="x", text=text, link=EXAMPLE_LINK)):
        bare = page(message.__class__(title="x", text="a", link=EXAMPLE_LINK), locale)
        assert len(page(message, locale)) - len(bare) < 5 * len(text) + 500 * MOST_PARAGRAPHS


def test_an_organizations_own_words_of_many_paragraphs_cost_little_for_each() -> None:
    brand = OrganizationBrand(words=Words(LONG["paragraphs"], "x"))
    [html] = render(PlainEmail(title="x", text="y"), brand, "email.html")
    assert html.count("<p ") <= MOST_PARAGRAPHS
    assert html.count("a<br>") > 3_000, "nothing of it is lost"


@pytest.mark.parametrize(
    "words",
    [
        Words("{text}" * 1_600),
        Words("{text}\n\n" * 1_200, "{title}"),
        Words("{link} " * 1_400),
        Words("x", "{text}" * 30),
    ],
)
@pytest.mark.parametrize("channel", ["email", "push", "sms"])
def test_kept_words_that_come_out_too_long_give_way_to_those_of_the_type(words: Words, channel: str) -> None:
    link = f"https://singr.example/{'x' * 480}"
    message = {
        "email": PlainEmail(title="<" * 200, text="<\n" * 5_000, link=link),
        "push": PlainPush(title="<" * 200, text="<\n" * 200, link=link),
        "sms": PlainSms(text="<\n" * 800),
    }[channel]
    if channel == "sms":
        words = Words("{text}" * 40, words.subject)
    texts = CHANNELS[channel].texts
    assert render(message, OrganizationBrand(words=words), *texts) == render(message, OrganizationBrand(), *texts)


def test_kept_words_are_worn_by_each_message_that_they_are_not_too_long_with() -> None:
    brand = OrganizationBrand(words=Words("{text}\n" * 100, "{text}"))
    subject, text, _ = render(PlainEmail(title="x", text="Hello"), brand, *CHANNELS["email"].texts)
    assert (subject, text.count("Hello")) == ("Hello", 100)


@pytest.mark.parametrize("text", ["<\n" * 5_000, "<" * 10_000, "ﷺ" * 10_000])
def test_no_words_make_a_mail_of_more_than_a_quarter_of_a_megabyte(text: str) -> None:
    brand = OrganizationBrand(words=Words("{text}" + "<" * 9_700, "{title}" * 5))
    texts = render(PlainEmail(title="<" * 200, text=text), brand, *CHANNELS["email"].texts)
    assert "<<<" in texts[1]
    assert sum(len(one.encode()) for one in texts) < 256_000


def test_a_blank_line_begins_a_paragraph_and_each_line_stays_a_line() -> None:
    html = page(PlainEmail(title="x", text="\nDear Ada,\n\nWaterloo Rd 1\nLondon <E1>\n\n\nبرلين\n"))
    paragraphs = [one.partition("</p>")[0].partition(">")[2] for one in html.split("<p ")[1:]]
    assert paragraphs == [
        '<span dir="auto">Dear Ada,</span>',
        '<span dir="auto">Waterloo Rd 1</span><br><span dir="auto">London &lt;E1&gt;</span>',
        '<span dir="auto">برلين</span>',
    ]


def test_every_line_of_a_long_text_is_in_the_mail_once_and_in_order() -> None:
    lines = [f"line-{number:03}" for number in range(300)]
    for between in ("\n", "\n\n"):
        html = page(PlainEmail(title="x", text=between.join(lines)))
        body = html[html.index("<p ") :]
        assert [line for line in body.replace("<", ">").split(">") if line.startswith("line-")] == lines
