"""Every type in every language that ships: whole, in the right parts, and as safe as in English."""

import re
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from sqlalchemy import text

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    Message,
    MessageType,
    SecurityEvent,
    SecurityNotice,
    SongRequest,
    message_types,
    preview,
    render_email,
)
from singr_comms.channels import CHANNELS
from singr_comms.channels.email import sender_of
from singr_comms.messages.digest import Digest, DigestItem
from singr_comms.messages.low_stock_alert import LowStockAlertPush
from singr_comms.messages.plain import PlainEmail
from singr_comms.notifications import EmailRequest, queue_email
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._formats import counted
from singr_comms.rendering._languages import direction, locales_in
from singr_comms.rendering._templates import render

SHIP = ("de", "ar")
TYPES = sorted(message_types, key=lambda one: one.name)
HOSTILE = ["<script>alert(1)</script>", "</td></tr></table><h1>You won</h1>", "{{ 7 * 7 }}"]
ENGLISH = re.compile(r"\b(?:You are receiving|Hello|If the button|Your order|minutes?|Please)\b")
OF_PEOPLE = "\u0416"
CLUMSY = {
    "en": r"the way you paid|until you see the money|\bTap to read it\b",
    "de": r"bei Ihrem Konto bei|verlangt (?:wurde|haben)|niemandem|jemandes|auf dem Weg, auf dem|um sie zu lesen",
    # devices are not "signed outside", and a farm, which is feminine, is the subject of no masculine verb
    "ar": r"تُسجَّل جميع الأجهزة|(?:أكّد|استلم|أعاد) \{\{|ينتهي هذا لهذا|تعد لدى",
}


class Tags(HTMLParser):
    """Which tags a browser would see, with what they carry."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))


def in_full(message: Message, locale: str) -> str:
    shown = preview(message, locale=locale)
    return "\n".join(filter(None, (shown.subject, shown.text, shown.html)))


@pytest.mark.parametrize("locale", SHIP)
@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.name)
def test_every_type_has_its_words_in_every_language_that_ships(one: MessageType, locale: str) -> None:
    for channel in one.models:
        assert locale in locales_in(one.folder, CHANNELS[channel].texts)
    one.try_out()


@pytest.mark.parametrize("locale", SHIP)
@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.name)
def test_nothing_of_a_message_is_left_in_english(one: MessageType, locale: str) -> None:
    for example in one.examples:
        shown = preview(example(OF_PEOPLE), locale=locale)
        assert (shown.locale, shown.fell_back) == (locale, False)
        assert not ENGLISH.search(in_full(example(OF_PEOPLE), locale))
        if shown.html:
            way = direction(locale)
            assert f'<html lang="{locale}" dir="{way}"' in shown.html
            assert f'class="singr-page" lang="{locale}" dir="{way}"' in shown.html, "where <html> is taken away"


@pytest.mark.parametrize("locale", SHIP)
@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.name)
def test_hostile_names_add_nothing_to_a_mail_of_any_language(one: MessageType, locale: str) -> None:
    for example in one.examples:
        harmless = preview(example("Jane"), locale=locale)
        if harmless.html is None:
            continue
        for name in HOSTILE:
            attacked = preview(example(name), locale=locale)
            assert attacked.html is not None
            assert Tags(attacked.html).tags == Tags(harmless.html).tags
            assert "49" not in (attacked.subject or "")


@pytest.mark.parametrize("locale", SHIP)
@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.name)
def test_link_and_code_of_a_message_are_there_in_every_language(one: MessageType, locale: str) -> None:
    for _, message in one.samples():
        for name in message.__struct_fields__:
            value = getattr(message, name)
            if value and name.endswith(("link", "code")) and preview(message).link is None:
                assert str(value) in preview(message, locale=locale).text


@pytest.mark.parametrize("locale", SHIP)
def test_a_text_message_with_typical_words_is_one_or_two_parts(locale: str) -> None:
    for one in TYPES:
        for _, message in one.samples():
            size = preview(message, locale=locale).segments
            alphabet = "GSM-7" if locale == "de" else "UCS-2"
            typed_in_english = one.name in {"plain", "campaign"}
            assert size is None or size.segments <= 2, one.name
            assert size is None or typed_in_english or size.encoding == alphabet, one.name


@pytest.mark.parametrize("locale", SHIP)
def test_security_events_are_told_apart_in_every_language(locale: str) -> None:
    def one(event: Any) -> SecurityNotice:
        return SecurityNotice(user_name="J", event=event, occurred_at="-", link="https://singr.example/")

    events = get_args(SecurityEvent)
    subjects = {render_email(one(event), locale=locale).subject for event in events}
    assert len(subjects) == len(events)
    assert not subjects & {render_email(one(event)).subject for event in events}


@pytest.mark.parametrize("locale", CLUMSY)
def test_what_readers_stumbled_over_does_not_come_back(locale: str) -> None:
    for one in TYPES:
        folder = one.folder if locale == "en" else one.folder / locale
        for words in folder.iterdir():
            assert not (words.is_file() and re.search(CLUMSY[locale], words.read_text("utf-8"))), words


@pytest.mark.parametrize("locale", ["en", "de"])
def test_a_push_about_what_is_sold_out_counts_nothing(locale: str) -> None:
    one = LowStockAlertPush(farm_name="F", product_name="P", stock_left=0, link="https://singr.example/x")
    assert "0" not in preview(one, locale=locale).text


@pytest.mark.parametrize("locale", ["en", *SHIP])
@pytest.mark.parametrize("more", [0, 3])
def test_a_digest_says_how_much_happened_in_every_language(locale: str, more: int) -> None:
    items = tuple(DigestItem(title=title) for title in ("A", "B"))
    first, last = "2026-11-23", "2026-11-29"
    digest = Digest(
        user_name="J",
        period="weekly",
        first_day=first,
        last_day=last,
        items=items,
        link="https://a.example/",
        more=more,
    )
    shown = preview(digest, locale=locale)
    assert str(2 + more) in str(shown.subject)
    assert shown.html is not None
    assert re.search(rf">A[^<]* {1 + more}\b", shown.html), "before the page is opened"


@pytest.mark.parametrize(("name", "says"), [("password_reset", "إن لم تطلبوها"), ("farm_rejected", "للتعديل")])
def test_an_arabic_text_message_tells_all_that_the_english_one_does(name: str, says: str) -> None:
    one = next(one for one in TYPES if one.name == name)
    (shown,) = (preview(message, locale="ar").text for channel, message in one.samples() if channel == "sms")
    assert says in shown


def test_units_are_counted_by_the_forms_of_a_language() -> None:
    assert [counted(n, "minutes", "de") for n in (1, 2)] == ["1 Minute", "2 Minuten"]
    assert [counted(n, "days", "en") for n in (1, 7)] == ["1 day", "7 days"]
    assert counted(3, "hours", "xx") == "3 hours"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "يوم واحد"),
        (2, "يومين"),
        (3, "3 أيام"),
        (10, "10 أيام"),
        (11, "11 يومًا"),
        (99, "99 يومًا"),
        (100, "100 يوم"),
        (102, "102 يوم"),
        (111, "111 يومًا"),
        (103, "103 أيام"),
    ],
)
def test_arabic_counts_in_the_singular_the_dual_and_the_plural(count: int, said: str) -> None:
    assert counted(count, "days", "ar") == said


def test_names_in_an_arabic_mail_turn_nothing_but_themselves_and_links_run_from_left_to_right() -> None:
    request = SongRequest(
        venue_name="Blue Note", artist="أم كلثوم", title="A (b)", link="https://singr.example/x", singer_name="Jane"
    )
    shown = preview(request, locale="ar")
    assert shown.html is not None
    for part in (shown.subject, shown.text, shown.html):
        assert "\u2068Blue Note\u2069" in str(part)
        assert "\u2068A (b)\u2069" in str(part)
        assert "\u2068أم كلثوم" not in str(part)
    assert '<a class="singr-link" dir="ltr" href="https://singr.example/x"' in shown.html


@pytest.mark.parametrize("locale", ["ar", "en"])
@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.name)
def test_the_name_of_a_brand_is_set_apart_wherever_a_message_says_it(one: MessageType, locale: str) -> None:
    name = "Encore!" if locale == "ar" else "أنغام"
    for channel, message in one.samples():
        for said in render(message, OrganizationBrand(name=name), *CHANNELS[channel].texts, locale=locale):
            assert said.count(name) == said.count(f"\u2068{name}\u2069")


def test_the_name_of_a_brand_comes_alone_where_it_turns_nothing_and_in_what_names_the_sender() -> None:
    digest = next(message for _, message in next(one for one in TYPES if one.name == "digest").samples())
    assert "\u2068" not in render_email(digest, OrganizationBrand(name="Encore!"), "en").subject
    assert "\u2068Encore!\u2069" in render_email(digest, OrganizationBrand(name="Encore!"), "ar").subject
    sent = EmailEnvelope(
        to=EmailAddress("jane@example.org"),
        message=digest,
        idempotency_token="1",
        locale="ar",
        brand=OrganizationBrand(name="Encore!", sender="Encore!"),
    )
    assert sender_of(sent, sent.to).name == "Encore!"


def test_words_of_another_direction_keep_their_full_stops_where_they_belong() -> None:
    shown = preview(PlainEmail(title="Ready.", text="Come by.\nNow!"), locale="ar")
    assert shown.html is not None
    for said in ("Come by.", "Now!"):
        assert f'<span dir="auto">{said}</span>' in shown.html


@pytest.mark.parametrize(("stored", "used"), [("de-AT", "de"), ("fr", None), ("en-GB", None), ("no locale!", None)])
async def test_message_goes_out_in_the_language_that_is_stored_with_it(bench: Any, stored: str, used: str) -> None:
    request = SongRequest(venue_name="V", artist="A", title="T", link="https://singr.example/x")
    async with bench.db.tenant(bench.organization) as session:
        queued = await queue_email(
            session,
            EmailRequest(to=EmailAddress("jane@example.org"), message=request),
            sealer=bench.sealer,
            organization_id=bench.organization,
        )
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE messages SET locale = :locale"), {"locale": stored})
    await bench.send(queued.message_id)
    assert [envelope.locale for envelope in bench.email.sent] == [used]
