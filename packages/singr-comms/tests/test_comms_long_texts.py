"""A long text of somebody's makes a mail of its own size, not of a hundred times as much."""

import pytest

from singr_comms.catalogue import EXAMPLE_LINK, Message
from singr_comms.messages.campaign import Campaign
from singr_comms.messages.plain import PlainEmail
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
