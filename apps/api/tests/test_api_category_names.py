"""Pages for readers call another team's category as its types say, though the API may not know them."""

from typing import Any

import httpx
from api_callers import ORGANIZATION
from sqlalchemy import insert, text

from singr_api.wiring.reader_words import words_for
from singr_comms.notifications import BrandingInput, put_branding
from singr_comms.notifications._reader_links import ReaderLink, written
from singr_comms.notifications._rows import recipient_hash
from singr_config import Settings
from singr_db import Database, Sealer, new_id
from singr_db.tables import CategoryName, Recipient

NAMES = {"en": "parcels", "de": "Pakete"}


def page_about(settings: Settings, category: str) -> str:
    """Where the link of a mail leads that is about this, to somebody whom the organization knows."""
    sealer = Sealer(settings.auth.secret)
    whose = {"organization_id": ORGANIZATION, "address_hash": recipient_hash(sealer, "jane@example.org")}
    return f"/v1/unsubscribe/{written(sealer, ReaderLink(**whose, category=category, channel='email'))}"


async def test_page_says_it_in_the_readers_language_else_the_organizations_else_english(
    api: httpx.AsyncClient, db: Database, settings: Settings, callers: Any
) -> None:
    print_ = recipient_hash(Sealer(settings.auth.secret), "jane@example.org")
    row = {"id": new_id(), "organization_id": ORGANIZATION, "external_id": "u-1", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(email_hash=print_, **row))
        await session.execute(insert(CategoryName).values(category="parcels", names=NAMES))
    said = []
    for organization in (None, "de"):
        if organization is not None:
            async with db.tenant(ORGANIZATION) as session:
                await put_branding(session, BrandingInput(name="Farm", color="#0a6640", locale=organization))
            async with db.platform() as session:
                await session.execute(text("UPDATE brandings SET starts_at = now() - interval '1 second'"))
        for locale in ("de-AT", "ar", "en", None):
            async with db.platform() as session:
                await session.execute(text("UPDATE recipients SET locale = :locale"), {"locale": locale})
            page = (await api.get(page_about(settings, "parcels"))).text
            said.append((page.partition('lang="')[2][:2], page.partition("<strong><bdi>")[2].partition("</bdi>")[0]))
    english, german = ("en", "parcels"), ("de", "Pakete")
    assert said == [german, ("ar", "parcels"), english, english, german, ("ar", "Pakete"), english, german]
    unknown = (await api.get(page_about(settings, "own_things"))).text
    assert "<bdi>own things</bdi>" in unknown, "where nobody said, its own name, in words"


def test_what_this_process_knows_goes_first_and_a_browsers_language_before_the_organizations() -> None:
    words = words_for(None, "fr, ar;q=0.5", "de")
    assert (words.lang, words.category("stock"), words.heading("stock")) == ("ar", "المخزون", "المخزون")
    assert words_for(None, "fr", "de-AT").heading("orders") == "Bestellungen"
    assert words_for(None, "fr", "fr").category("orders") == "orders"
