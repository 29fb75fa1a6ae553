"""Why would it not be sent, over HTTP: asked by POST, for the own organization alone, every fault named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from api_callers import OTHER
from sqlalchemy import text

from singr_db import Database

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "why-did-it-not-arrive.md"
AT = "/v1/deliveries/explain"
JANE = {"type": "song_request", "channel": "email", "address": "jane@bluenote.example"}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def test_owner_learns_what_would_become_of_a_message_and_nothing_changes(owner: Any, db: Database) -> None:
    for _ in range(2):
        answer = await owner.post(AT, json=JANE)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["outcome"], told["reasons"], told["recipient"]) == ("sent", [], "j***@bluenote.example")
    assert "jane" not in answer.text
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM message_quotas")) == 0
        assert await session.scalar(text("SELECT count(*) FROM messages")) == 0


async def test_every_fault_is_named_by_its_field(owner: Any, world: Any) -> None:
    body = {"type": "Song", "channel": "fax", "address": "two words", "at": "2026-11-27T12:00:00", "why": 1}
    errors = world.problem(await owner.post(AT, json=body), 422, "invalid")["errors"]
    assert [one["field"] for one in errors] == ["type", "channel", "address", "at", "why"]
    body = {**JANE, "address": "nobody", "type": "nothing", "provider": "pigeon", "at": "2020-01-01T00:00:00Z"}
    errors = world.problem(await owner.post(AT, json=body), 422, "invalid")["errors"]
    assert [one["field"] for one in errors] == ["type", "address", "provider", "at"]


async def test_nobody_asks_for_another_organization(owner: Any, world: Any) -> None:
    answer = await owner.post(AT, params={"organization_id": str(OTHER)}, json=JANE)
    world.problem(answer, 403, "organization-forbidden")


async def test_question_of_the_guide_is_answered(owner: Any) -> None:
    [(path, body)] = re.findall(r"https://api.example.com(/v1/\S+explain) --json '(.+)'", GUIDE.read_text())
    answer = await owner.post(path, json=json.loads(body))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "sent"), answer.text


async def test_somebody_is_told_of_by_the_rule_that_they_chose_and_faults_are_of_the_query(
    owner: Any, world: Any
) -> None:
    await owner.put("/v1/recipients/u-17", json={"email": "jane@bluenote.example"})
    off = {"scope": "category", "name": "requests", "channel": "email", "allowed": False}
    await owner.patch("/v1/preferences", params={"recipient": "u-17"}, json={"choices": [off]})
    asked = {"type": "song_request", "channel": "email", "recipient": "u-17"}
    answer = await owner.get(AT, params=asked)
    told = answer.json()
    assert (answer.status_code, told["outcome"], told["rule"]) == (200, "stopped", "recipient:category+channel")
    assert [(one["code"], one["decides"]) for one in told["reasons"]] == [("preference", True)]
    assert (await owner.post(AT, json=JANE)).json()["outcome"] == "sent", "an address alone has no choices"
    in_url = await owner.get(AT, params=asked | {"address": "jane@bluenote.example"})
    assert [one["field"] for one in world.problem(in_url, 422, "invalid")["errors"]] == ["address"]
    wrong = await owner.get(AT, params=asked | {"type": "nothing", "user_id": str(OTHER)})
    errors = world.problem(wrong, 422, "invalid")["errors"]
    assert [(one["field"], one["location"]) for one in errors] == [("recipient", "query"), ("type", "query")]
    world.problem(await owner.get(AT, params=asked | {"organization_id": str(OTHER)}), 403, "organization-forbidden")
