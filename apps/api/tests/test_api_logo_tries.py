"""How often an organization may have a logo fetched: what counts is the try, whatever comes of it."""

from typing import Any

import msgspec
import pytest
from api_callers import ORGANIZATION, OTHER
from sqlalchemy import text

from singr_comms.notifications import ImageError
from singr_config import Settings
from singr_db import Database, new_id

AT = "/v1/branding"
FARM = {"name": "R&B Farm", "color": "#0A6640", "logo": "https://farm.example/logo.png"}


class Fetches:
    """Stands where pictures are fetched, and finds none."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self, *_: Any) -> Any:
        self.made += 1
        raise ImageError("must be a PNG, JPEG or GIF")


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Fetches:
    counted = Fetches()
    monkeypatch.setattr("singr_api.organizations.branding.routes.fetched_picture", counted)
    return counted


@pytest.fixture
def stored(settings: Settings, tmp_path: Any) -> Settings:
    """With a store for logos."""
    store = msgspec.structs.replace(settings.object_store, folder=str(tmp_path))
    return msgspec.structs.replace(settings, object_store=store)


async def test_fetches_that_bring_no_logo_are_counted_too(
    stored: Settings, serve_app: Any, client: Any, someone: Any, world: Any, fetches: Fetches, monkeypatch: Any
) -> None:
    monkeypatch.setattr("singr_api.admission.limits.LOGO_TRIES", 3)
    async with serve_app(stored) as url:
        owner = client(url, await someone(member="customer_owner"))
        answers = [await owner.put(AT, json=FARM) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [422] * 3 + [429] * 2
        assert fetches.made == 3
        world.problem(answers[-1], 429, "rate-limited")
        assert answers[-1].headers["ratelimit-policy"] == '"logo";q=3;w=3600'
        assert 3_000 < int(answers[-1].headers["retry-after"]) <= 3_600
        assert (await owner.put(AT, json=FARM | {"logo": None})).status_code == 200
        neighbour = client(url, await someone(member="customer_owner", of=OTHER))
        world.problem(await neighbour.put(AT, json=FARM), 422, "invalid")


async def test_nothing_is_fetched_for_an_organization_that_brought_its_logos(
    stored: Settings, serve_app: Any, client: Any, someone: Any, world: Any, fetches: Fetches, db: Database
) -> None:
    noted = "INSERT INTO noted_objects (kind, id, organization_id) VALUES ('logo', :id, :organization)"
    async with db.platform() as session:
        for _ in range(20):
            await session.execute(text(noted), {"id": new_id(), "organization": ORGANIZATION})
    async with serve_app(stored) as url:
        owner = client(url, await someone(member="customer_owner"))
        refused = await owner.put(AT, json=FARM)
    assert "at most 20 logos" in world.problem(refused, 429, "rate-limited")["detail"]
    assert fetches.made == 0
