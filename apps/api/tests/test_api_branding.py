"""An organization's mails look like its own and speak in its words; what nobody could read or trust is refused."""

import base64
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest
from api_callers import ORGANIZATION, OTHER
from api_pictures import PNG, png
from api_serving import serving
from loguru import logger
from sqlalchemy import text

from singr_api.app import create_app
from singr_comms.notifications import key_of_logo
from singr_config import Settings
from singr_config.clock import clock
from singr_db import Database, FolderObjectStore, new_id

AT = "/v1/branding"
WORDS = "/v1/template-overrides/order_ready/email/en"


def in_line(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


INLINE = in_line(PNG)
FARM = {"name": "R&B Farm", "color": "#0A6640", "footer": "12 Creek Road\nWillow"}
READY = {
    "type": "order_ready",
    "channel": "email",
    "data": {
        "user_name": "Jane",
        "farm_name": "Willow",
        "order_number": "A-1",
        "pickup_place": "Hall",
        "link": "https://singrkaraoke.com/1?a=b&c=d",
    },
}


@pytest.fixture
def settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """With a store for logos, the same for all tests here: they share an API."""
    folder = str(tmp_path_factory.getbasetemp() / "logos")
    store = msgspec.structs.replace(settings.object_store, folder=folder)
    return msgspec.structs.replace(settings, object_store=store)


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def shown(owner: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await owner.post("/v1/notifications/preview", json=READY)).json()
    return found


async def test_mails_wear_a_brand_and_its_logo_is_had_by_anybody(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    world.problem(await owner.get(AT), 404, "not-found")
    put = await owner.put(AT, json=FARM | {"logo": INLINE, "locale": "de-AT"})
    assert put.status_code == 200
    told = put.json()
    assert (told["color"], told["logo_width"], told["logo_height"], told["locale"]) == ("#0a6640", 320, 64, "de-AT")
    assert (await shown(owner))["locale"] == "de"
    picture = await owner.get(urlsplit(told["logo_url"]).path)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert "immutable" in picture.headers["cache-control"]
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"
    mail = await shown(owner)
    assert 'width="240" height="48"' in mail["html"]
    assert "R&amp;B Farm" in mail["html"]
    assert '<span dir="auto">12 Creek Road</span><br>' in mail["html"]
    assert "12 Creek Road\nWillow" in mail["text"]
    assert "#0a6640" in mail["html"]
    kept = (await owner.put(AT, json=FARM | {"logo": "keep", "footer": None})).json()
    assert (kept["logo_url"], kept["footer"]) == (told["logo_url"], None)
    staff = client(standing_url, await someone(member="customer_staff"))
    assert (await staff.get(AT)).status_code == 200
    world.problem(await staff.put(AT, json=FARM), 403, "scope-missing")
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    world.problem(await stranger.get(AT), 404, "not-found")
    assert "R&amp;B" not in (await shown(stranger))["html"]
    assert (await owner.delete(AT)).status_code == 204
    world.problem(await owner.delete(AT), 404, "not-found")
    assert "Creek" not in (await shown(owner))["text"]
    missing = await owner.get("/v1/branding/logos/019ab2c0-7f00-7000-8000-0000000000aa")
    world.problem(missing, 404, "not-found")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"color": "#ffd400"}, "color", "has a contrast of 1.43:1, and 4.5:1 is needed"),
        ({"color": "green"}, "color", ""),
        ({"name": "Farm\r\nBcc: x@example.org"}, "name", ""),
        ({"name": "=?utf-8?q?Farm?="}, "name", "must not contain"),
        ({"name": "evil.example"}, "name", "must not contain a web address"),
        ({"name": "Singr Security"}, "name", "must not contain Singr, or what looks like it"),
        ({"name": "\u0405ingr"}, "name", "must not contain Singr, or what looks like it"),
        ({"name": "Pay\u00adPal"}, "name", "character 4 is U+00AD SOFT HYPHEN"),
        ({"footer": "see https://evil.example"}, "footer", "must not contain a web address"),
        ({"footer": "[[data:x]]"}, "footer", "must not contain"),
        ({"footer": "12 Creek Road\nSingr Security"}, "footer", "must not contain Singr, or what looks like it"),
        ({"footer": "powered by S\u026angr"}, "footer", "must not contain Singr, or what looks like it"),
        ({"logo": "http://example.org/x.png"}, "logo", "https address"),
        ({"logo": "https://127.0.0.1/x.png"}, "logo", "private network"),
        ({"logo": "https://[::ffff:10.0.0.1]/x.png"}, "logo", "private network"),
        ({"logo": "https://me@example.org/x.png"}, "logo", "without user name"),
        ({"logo": "data:image/png;base64," + base64.b64encode(b"<svg onload=alert(1)>").decode()}, "logo", "SVG"),
        ({"logo": "data:image/svg+xml;base64,PHN2Zz4="}, "logo", "must be a PNG, JPEG or GIF"),
        ({"logo": in_line(png(1, 1))}, "logo", "must be a picture of 16 to 2000 pixels a side, not 1 by 1"),
        ({"logo": in_line(PNG[:-12])}, "logo", "must be a sound PNG: it is cut off"),
        ({"logo": "keep"}, "logo", "there is no logo to keep"),
    ],
)
async def test_what_nobody_could_read_or_trust_is_refused_by_field(
    owner: Any, world: Any, changes: dict[str, Any], field: str, says: str
) -> None:
    refused = world.problem(await owner.put(AT, json=FARM | changes), 422, "invalid")
    assert [one["field"] for one in refused["errors"]] == [field]
    assert says in refused["errors"][0]["message"]
    world.problem(await owner.get(AT), 404, "not-found")


async def test_a_logo_is_served_without_what_does_not_draw_it_and_as_it_was_stored(
    owner: Any, settings: Settings
) -> None:
    """One of before is served as it is: mails that were sent show it."""
    put = await owner.put(AT, json=FARM | {"logo": in_line(PNG + b"<html><script>")})
    path = urlsplit(put.json()["logo_url"]).path
    assert (await owner.get(path)).content == PNG
    store = FolderObjectStore(settings.object_store)
    key = key_of_logo(UUID(path.rpartition("/")[2]))
    assert await store.get(key) == PNG
    await store.put(key, PNG + b"<html>")
    answer = await owner.get(path)
    assert (answer.content, answer.headers["content-type"]) == (PNG + b"<html>", "image/png")


async def test_an_organization_brings_twenty_logos_a_day_at_most(owner: Any, world: Any, db: Database) -> None:
    noted = "INSERT INTO noted_objects (kind, id, organization_id, created_at) VALUES ('logo', :id, :organization, :at)"
    for number in range(21):
        at = clock.now() - timedelta(hours=23 if number else 25)
        async with db.platform() as session:
            await session.execute(text(noted), {"id": new_id(), "organization": ORGANIZATION, "at": at})
        if number == 18:
            assert (await owner.put(AT, json=FARM | {"logo": INLINE})).status_code == 200, (
                "the twentieth, yesterday's apart"
            )
    refused = await owner.put(AT, json=FARM | {"logo": INLINE})
    assert "at most 20 logos" in world.problem(refused, 429, "rate-limited")["detail"]
    assert 3_000 < int(refused.headers["retry-after"]) <= 3_600
    assert (await owner.put(AT, json=FARM | {"logo": "keep"})).status_code == 200
    assert (await owner.delete(AT)).status_code == 204


async def test_preview_is_in_the_language_that_the_message_would_be_sent_in(owner: Any) -> None:
    await owner.put(AT, json={"name": "Willow", "color": "#0a6640", "locale": "ar"})
    for asked, used, fell_back in (
        ("fr", "ar", True),
        (None, "ar", False),
        ("de-CH", "de", False),
        ("en", "en", False),
    ):
        told = (await owner.post("/v1/notifications/preview", json=READY | {"locale": asked})).json()
        assert (told["locale"], told["fell_back"]) == (used, fell_back)
        assert f'lang="{used}"' in told["html"]
    await owner.delete(AT)


async def test_own_words_are_said_in_their_language_alone(owner: Any, world: Any) -> None:
    words = {"subject": "Ready: {order_number}", "text": "Hi {user_name},\n\n<b>now</b> at {pickup_place}\n{link}"}
    put = await owner.put(WORDS, json=words)
    assert put.status_code == 200
    assert "pickup_until" in put.json()["variables"]
    mail = await shown(owner)
    assert mail["subject"] == "Ready: A-1"
    assert mail["text"].startswith("Hi Jane,\n\n<b>now</b> at Hall\nhttps://singrkaraoke.com/1?a=b&c=d\n")
    assert "&lt;b&gt;now&lt;/b&gt; at Hall<br>" in mail["html"]
    assert 'href="https://singrkaraoke.com/1?a=b&amp;c=d"' in mail["html"]
    german = (await owner.post("/v1/notifications/preview", json=READY | {"locale": "de"})).json()
    assert "Hi Jane" not in german["text"]
    assert [one["locale"] for one in (await owner.get("/v1/template-overrides")).json()["items"]] == ["en"]
    assert (await owner.delete(WORDS)).status_code == 204
    world.problem(await owner.get(WORDS), 404, "not-found")
    assert "Hi Jane" not in (await shown(owner))["text"]


@pytest.mark.parametrize(
    ("place", "body", "field"),
    [
        ("order_ready/email/en", {"text": "{{7*7}}"}, "text"),
        ("order_ready/email/en", {"text": "{% include 'x' %}"}, "text"),
        ("order_ready/email/en", {"text": "{user_name.__class__}"}, "text"),
        ("order_ready/email/en", {"text": "{nobody}"}, "text"),
        ("order_ready/email/en", {"text": "ok", "subject": "{nobody}"}, "subject"),
        ("order_ready/email/en", {"text": "ok", "subject": "a\nBcc: x"}, "subject"),
        ("order_ready/email/en", {"text": "pay at evil.example/x"}, "text"),
        ("order_ready/sms/en", {"text": "ok", "subject": "no"}, "subject"),
        ("order_ready/push/en", {"text": "x" * 401}, "text"),
        ("order_ready/fax/en", {"text": "ok"}, "channel"),
        ("order_ready/email/xx", {"text": "ok"}, "locale"),
        ("nonsense/email/en", {"text": "ok"}, "type"),
        ("magic_link/email/en", {"text": "ok"}, "type"),
        ("security_notice/email/en", {"text": "ok"}, "type"),
    ],
)
async def test_words_that_are_more_than_text_are_refused(
    owner: Any, world: Any, place: str, body: dict[str, Any], field: str
) -> None:
    refused = world.problem(await owner.put(f"/v1/template-overrides/{place}", json=body), 422, "invalid")
    assert [one["field"] for one in refused["errors"]] == [field]
    assert (await owner.get("/v1/template-overrides")).json()["items"] == []


@pytest.mark.parametrize("locale", ["de", "fr"])
async def test_all_that_is_wrong_with_own_words_is_told_at_once(owner: Any, world: Any, locale: str) -> None:
    body = {"text": "Fertig {order_number} {nope} {farm_name"}
    answer = await owner.put(f"/v1/template-overrides/order_ready/sms/{locale}", json=body)
    told = world.problem(answer, 422, "invalid")["errors"]
    expected = [("body", "text", "names {nope}"), ("body", "text", "must have braces only around")]
    if locale == "fr":
        expected.insert(0, ("path", "locale", "must be a language"))
    assert [(one["location"], one["field"]) for one in told] == [one[:2] for one in expected]
    assert all(one["message"].startswith(words) for one, (*_, words) in zip(told, expected, strict=True))


async def test_all_that_is_wrong_with_a_brand_is_told_at_once(owner: Any, world: Any) -> None:
    body = {"name": "Farm [[x", "color": "#ffffff", "footer": "See www.example.org"}
    told = world.problem(await owner.put("/v1/branding", json=body), 422, "invalid")["errors"]
    assert [one["field"] for one in told] == ["color", "name", "footer"]


async def test_object_store_that_is_away_is_named_and_no_key_asked_for_that_the_route_does_not_take(
    settings: Settings, tmp_path: Path, client: Any, someone: Any, world: Any
) -> None:
    folder = tmp_path / "store"
    store = msgspec.structs.replace(settings.object_store, folder=str(folder))
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    async with serving(create_app(msgspec.structs.replace(settings, object_store=store))) as url:
        owner = client(url, await someone(member="customer_owner"))
        told = (await owner.put(AT, json=FARM | {"logo": INLINE})).json()
        shutil.rmtree(folder)
        folder.write_text("a file")
        answers = [
            await owner.put(AT, json=FARM | {"logo": INLINE}),
            await owner.get(urlsplit(told["logo_url"]).path),
        ]
    logger.remove(sink)
    for answer in answers:
        world.problem(answer, 503, "unavailable")
        assert answer.json()["detail"] == "The object store is not responding. Nothing is lost: try again."
    assert sum(line.startswith("a store is away: the object store: ObjectStoreAwayError: ") for line in said) == 2
