"""What another team's category is called is known to whoever makes pages for readers, and is one name in a language."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from comms_guides import own_types
from sqlalchemy import text

from singr_comms import DeclarationError, Message, MessageType, message_types
from singr_comms.notifications.branding import _category_names
from singr_comms.notifications.branding._category_names import CategoryNames, read_category_names
from singr_db import Database

PARCELS = {"en": "parcels", "de": "Pakete"}
KEPT = text("SELECT names, xmin::text FROM category_names WHERE category = 'parcels'")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The messages of the guide's service."""
    return import_module(own_types(monkeypatch))


class Lost(Message, tag="parcel_lost", frozen=True, kw_only=True):
    """A parcel that does not come."""

    text: str


def called(folder: Path, names: Mapping[str, str]) -> MessageType:
    """Another type of the guide's category, which calls that so."""
    for name in ("email.subject.txt", "email.txt", "email.html"):
        (folder / name).write_text("{{ text }}")
    return MessageType(
        folder,
        category="parcels",
        category_names=names,
        email=Lost,
        examples=(lambda text="It is lost.": Lost(text=text),),
    )


async def names_elsewhere(db: Database, monkeypatch: pytest.MonkeyPatch, category: str) -> Mapping[str, str]:
    """As a process reads them that knows none of these types."""
    with monkeypatch.context() as patched:
        known = {one.name: one for one in message_types if one.category != "parcels"}
        patched.setattr(message_types, "_by_name", known)
        async with db.platform() as session:
            return await read_category_names(session, category)


async def test_whoever_sends_a_type_keeps_what_its_category_is_called_for_those_who_do_not_know_it(
    bench: Any, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await names_elsewhere(bench.db, monkeypatch, "parcels") == {}
    ready = own.ParcelReady(user_name="Jane", shop="Corner Shop", link="https://parcels.example/7")
    await bench.send(await bench.queue(ready))
    assert await names_elsewhere(bench.db, monkeypatch, "parcels") == PARCELS
    async with bench.db.platform() as session:
        assert await read_category_names(session, "parcels") == PARCELS
        assert (await read_category_names(session, "orders"))["de"] == "Bestellungen"
        before = (await session.execute(KEPT)).one()
    await CategoryNames(bench.db).keep("parcel_ready")
    async with bench.db.platform() as session:
        assert (await session.execute(KEPT)).one() == before, "the same names are written once"
    await run(bench, 'UPDATE category_names SET names = \'{"en": "packages"}\'')
    await CategoryNames(bench.db).keep("parcel_ready")
    assert await names_elsewhere(bench.db, monkeypatch, "parcels") == PARCELS, "the newest process says it"


async def test_names_that_a_restore_took_away_are_kept_again(
    bench: Any, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = CategoryNames(bench.db)
    await names.keep("parcel_ready")
    await run(bench, "DELETE FROM category_names")
    await names.keep("parcel_ready")
    assert await names_elsewhere(bench.db, monkeypatch, "parcels") == {}
    names._until["parcels"] -= _category_names._KEPT_FOR  # so much later
    await names.keep("parcel_ready")
    assert await names_elsewhere(bench.db, monkeypatch, "parcels") == PARCELS


async def run(bench: Any, statement: str) -> None:
    async with bench.db.platform() as session:
        await session.execute(text(statement))


async def test_no_message_fails_for_a_name_that_cannot_be_kept(bench: Any, own: Any) -> None:
    ready = own.ParcelReady(user_name="Jane", shop="Corner Shop", link="https://parcels.example/7")
    message_id = await bench.queue(ready)
    await run(bench, "ALTER TABLE category_names RENAME TO elsewhere")
    try:
        await bench.send(message_id)
    finally:
        await run(bench, "ALTER TABLE elsewhere RENAME TO category_names")
    assert await bench.story(message_id) == ("sent", ["sent"])


def test_category_has_one_name_in_a_language_whichever_of_its_types_says_it(own: Any, tmp_path: Path) -> None:
    other = called(tmp_path, {"en": "parcels", "de": "Sendungen"})
    with pytest.raises(DeclarationError, match="lost: category_names calls parcels 'Sendungen' in de, and"):
        message_types.add(other)
    assert message_types.named("parcel_lost") is None
    message_types.add(called(tmp_path, {"en": "parcels", "ar": "الطرود"}))
    assert message_types.category_names("parcels") == PARCELS | {"ar": "الطرود"}
    assert message_types.category_names("nothing") == {}
