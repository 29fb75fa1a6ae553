"""A type that gains or loses a field loses no message, in whichever order processes are rolled out."""

import importlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from comms_guides import own_types
from comms_versions import LINK, Knowing, knowing
from sqlalchemy import text

from singr_comms import message_types
from singr_comms.notifications._rows import CONTENT
from singr_jobs import PermanentError, RetryLater

GIVEN = {"user_name": "Jane", "shop": "Corner Shop", "link": LINK}
MOOD = {"mood": (str | None, None), "color": (str, "blue")}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The messages of the guide's service."""
    return importlib.import_module(own_types(monkeypatch))


@pytest.fixture
def version(own: Any, monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """A process of another version."""
    return knowing(monkeypatch)


def structs_in(model: Any) -> set[Any]:
    """A model, and the structs that its fields hold."""
    inner = (struct for field in msgspec.structs.fields(model) for struct in held_by(field.type))
    return {model}.union(*map(structs_in, inner))


def held_by(form: Any) -> Iterator[Any]:
    if isinstance(form, type) and issubclass(form, msgspec.Struct):
        yield form
    for part in get_args(form):
        yield from held_by(part)


async def left(bench: Any, message_id: Any, **options: Any) -> RetryLater:
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id, **options)
    assert (caught.value.code, caught.value.counts) == ("other_version", False)
    return caught.value


async def test_what_is_at_its_default_is_read_by_a_version_without_the_field(
    bench: Any, own: Any, version: Knowing
) -> None:
    with version(**MOOD) as model:
        message_id = await bench.queue(model(**GIVEN))
    await bench.send(message_id)
    assert [one.message for one in bench.email.sent] == [own.ParcelReady(**GIVEN)]


async def test_a_stored_default_is_read_as_it_was(bench: Any, version: Knowing) -> None:
    with version(**MOOD) as model:
        given = model(**GIVEN)
        await bench.send(await bench.queue(given))
    assert [one.message for one in bench.email.sent] == [given]
    assert (given.mood, given.color) == (None, "blue")


def test_no_message_of_any_type_stores_a_variable_that_was_not_given() -> None:
    for one in message_types:
        for model in one.models.values():
            assert all(part.__struct_config__.omit_defaults for part in structs_in(model)), model


async def test_a_field_that_is_not_known_here_leaves_the_message_to_who_knows_it(bench: Any, version: Knowing) -> None:
    with version(**MOOD) as model:
        given = model(**GIVEN, mood="cheerful")
        message_id = await bench.queue(given)
    soon = await left(bench, message_id)
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE messages SET held_since = now() - interval '23 hours'"))
    seldom = await left(bench, message_id, last=True)
    assert (soon.after, seldom.after) == (2.0, 60.0)
    row = await bench.row(message_id)
    assert (row.status, row.attempts, row.error["code"]) == ("queued", 0, "other_version")
    assert "the e-mail parcel_ready with other fields: it was stored with the field mood," in row.error["message"]
    assert "cheerful" not in str(row.error)
    async with bench.db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM message_quotas")) == 0
    with version(**MOOD):
        await bench.send(message_id)
    assert [msgspec.structs.asdict(one.message) for one in bench.email.sent] == [msgspec.structs.asdict(given)]
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_a_field_that_is_required_here_leaves_the_message_to_who_does_without(
    bench: Any, own: Any, version: Knowing
) -> None:
    message_id = await bench.queue(own.ParcelReady(**GIVEN))
    with version(mood=str):
        await left(bench, message_id)
    assert "it was stored without the field mood," in (await bench.row(message_id)).error["message"]
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_what_fits_no_process_ends_when_it_is_of_no_use_any_more(bench: Any, version: Knowing) -> None:
    with version(**MOOD) as model:
        message_id = await bench.queue(model(**GIVEN, mood="cheerful"))
    await left(bench, message_id)
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE messages SET held_since = now() - interval '25 hours'"))
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "expired"
    assert "the field mood" in caught.value.message
    assert await bench.story(message_id) == ("failed", [])


async def test_a_code_that_says_nothing_of_its_life_lives_as_long_as_its_type_says(
    bench: Any, version: Knowing
) -> None:
    with version(expiry_minutes=(int, 5)) as model:
        fresh, old = await bench.queue(model(**GIVEN)), await bench.queue(model(**GIVEN))
        async with bench.db.platform() as session:
            aged = text("UPDATE messages SET created_at = now() - CAST(:ago AS interval) WHERE id = :id")
            await session.execute(aged, {"id": fresh, "ago": timedelta(minutes=4)})
            await session.execute(aged, {"id": old, "ago": timedelta(minutes=6)})
        await bench.send(fresh)
        with pytest.raises(PermanentError) as caught:
            await bench.send(old)
    assert caught.value.code == "expired"


@pytest.mark.parametrize("stored", [b"no JSON", b'{"kind":"parcel_ready",'])
async def test_what_is_no_json_fails_for_good(bench: Any, own: Any, stored: bytes) -> None:
    message_id = await bench.queue(own.ParcelReady(**GIVEN))
    async with bench.db.platform() as session:
        sealed = bench.sealer.seal(stored, context=CONTENT)
        await session.execute(text("UPDATE messages SET content_sealed = :sealed"), {"sealed": sealed})
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "unreadable"
