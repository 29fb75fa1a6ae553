"""What people want to be told, over HTTP: read with its rules, set by organizations and by people themselves."""

from typing import Any
from uuid import UUID

import pytest
from api_callers import ORGANIZATION, OTHER
from sqlalchemy import insert, select

from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifications.sending._suppressions import suppress_by_reader
from singr_config import Settings
from singr_db import Database, Sealer, new_id
from singr_db.operation_log import list_operations
from singr_db.tables import Preference, Recipient, User

PATH, MINE, DEFAULTS = "/v1/preferences", "/v1/me/preferences", "/v1/preferences/defaults"
JANE = {"recipient": "u-17"}


def choice(scope: str, name: str | None = None, channel: str | None = None, *, allowed: bool | None) -> dict[str, Any]:
    sent = {"scope": scope, "name": name, "channel": channel, "allowed": allowed}
    return {field: value for field, value in sent.items() if value is not None or field == "allowed"}


def change(*choices: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"choices": list(choices)}}


def rules(view: Any, type_: str = "song_request") -> dict[str, tuple[bool, str]]:
    [found] = [one for one in view["types"] if one["type"] == type_]
    return {one["channel"]: (one["allowed"], one["rule"]) for one in found["channels"]}


@pytest.fixture
async def jane(db: Database, callers: Any) -> None:
    await known(db, ORGANIZATION, "u-17")


async def known(db: Database, organization: UUID, external_id: str, user: UUID | None = None) -> None:
    row = {"organization_id": organization, "external_id": external_id, "user_id": user, "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(id=new_id(), **row))


async def test_wider_choice_never_erases_a_narrower_one(
    api_url: str, client: Any, callers: Any, jane: None, someone: Any
) -> None:
    desk = client(api_url, callers.own)
    narrow = choice("category", "requests", "email", allowed=True)
    shown = (await desk.patch(PATH, params=JANE, **change(narrow))).json()
    assert rules(shown) == {"email": (True, "recipient:category+channel"), "sms": (True, "type")}
    shown = (await desk.patch(PATH, params=JANE, **change(choice("all", allowed=False)))).json()
    assert rules(shown) == {"email": (True, "recipient:category+channel"), "sms": (False, "recipient:all")}
    both = change(choice("all", allowed=None), choice("category", "requests", "email", allowed=None))
    shown = (await desk.patch(PATH, params=JANE, **both)).json()
    assert shown == (await desk.get(PATH, params=JANE)).json()
    assert (shown["recipient"], shown["choices"]) == ("u-17", [])
    # Where nobody chose, the organization's default decides; whoever may only send sets none.
    refused = await desk.patch(DEFAULTS, **change(choice("all", None, "sms", allowed=False)))
    assert refused.status_code == 403
    owner = client(api_url, await someone(member="customer_owner"))
    assert (await owner.patch(DEFAULTS, **change(choice("all", None, "sms", allowed=False)))).status_code == 200
    assert rules((await desk.get(PATH, params=JANE)).json())["sms"] == (False, "organization:channel")
    defaults = (await desk.get(DEFAULTS)).json()
    [kept] = defaults["choices"]
    assert (defaults["recipient"], kept["channel"], kept["source"]) == (None, "sms", "organization")


async def test_every_fault_is_named_by_its_path_and_nothing_is_kept(
    api_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(api_url, callers.own)
    sent = change(
        choice("category", "requests", allowed=False),
        choice("type", "sogn_request", allowed=False),
        choice("category", allowed=False),
        choice("all", "requests", allowed=False),
        choice("type", "song_request", "push", allowed=False),
        choice("type", "security_notice", allowed=False),
        choice("category", "requests", allowed=True),
    )
    document = world.problem(await desk.patch(PATH, params=JANE, **sent), 422, "invalid")
    assert {one["field"]: one["code"] for one in document["errors"]} == {
        "choices[1].name": "unknown_value",
        "choices[2].name": "required",
        "choices[3].name": "conflicting_fields",
        "choices[4].channel": "unknown_value",
        "choices[5].allowed": "invalid",
        "choices[6]": "repeated",
    }
    assert (await desk.get(PATH, params=JANE)).json()["choices"] == []


async def test_what_is_declared_no_more_can_be_taken_back(
    api_url: str, client: Any, callers: Any, jane: None, db: Database
) -> None:
    gone = [("type", "of_before", None), ("category", "of_before", "fax"), ("all", None, "fax")]
    async with db.platform() as session:
        whose = {"organization_id": ORGANIZATION, "recipient_id": await session.scalar(select(Recipient.id))}
        for scope, name, channel in gone:
            row = {"scope": scope, "name": name, "channel": channel, "allowed": False, "source": "organization"}
            await session.execute(insert(Preference).values(id=new_id(), **whose, **row))
    sent = change(*(choice(*one, allowed=None) for one in gone))
    answer = await client(api_url, callers.own).patch(PATH, params=JANE, **sent)
    assert (answer.status_code, answer.json().get("choices")) == (200, []), answer.text


async def test_nobody_reads_or_sets_what_people_of_others_want(
    api_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    one = change(choice("all", allowed=False))
    other, reader = client(api_url, callers.other), client(api_url, callers.reader)
    assert world.problem(await other.get(PATH, params=JANE), 404, "not-found")["errors"][0]["field"] == "recipient"
    world.problem(await other.patch(PATH, params=JANE, **one), 404, "not-found")
    elsewhere = JANE | {"organization_id": str(ORGANIZATION)}
    world.problem(await other.patch(PATH, params=elsewhere, **one), 403, "organization-forbidden")
    world.problem(await reader.get(PATH, params=JANE), 403, "scope-missing")
    world.problem(await reader.patch(PATH, params=JANE, **one), 403, "scope-missing")
    assert (await client(api_url, callers.own).get(PATH, params=JANE)).json()["choices"] == []


async def test_person_sets_their_own_for_each_organization_that_reaches_them(
    api_url: str, client: Any, callers: Any, someone: Any, world: Any, db: Database
) -> None:
    person = await someone(member="customer_staff")
    await known(db, OTHER, "their-own-id", person.user_id)
    me = client(api_url, person)
    of_other = {"organization_id": str(OTHER)}
    shown = await me.patch(MINE, params=of_other, **change(choice("category", "requests", allowed=False)))
    assert shown.status_code == 200, shown.text
    assert (shown.json()["recipient"], shown.json()["choices"][0]["source"]) == ("their-own-id", "recipient")
    assert rules((await me.get(MINE, params=of_other)).json())["sms"] == (False, "recipient:category")
    theirs = await client(api_url, callers.other).get(PATH, params={"recipient": "their-own-id"})
    assert rules(theirs.json())["email"] == (False, "recipient:category")
    world.problem(await me.get(MINE, params={"organization_id": str(ORGANIZATION)}), 404, "not-found")
    world.problem(await client(api_url, callers.own).get(MINE, params=of_other), 403, "person-required")


async def test_organization_switches_on_what_a_person_switched_off_with_a_note_alone(
    api_url: str, client: Any, callers: Any, world: Any, someone: Any, db: Database
) -> None:
    person = await someone(member="customer_staff")
    await known(db, ORGANIZATION, "u-17", person.user_id)
    off, on = (choice("category", "requests", "email", allowed=allowed) for allowed in (False, True))
    mine = {"params": {"organization_id": str(ORGANIZATION)}}
    assert (await client(api_url, person).patch(MINE, **mine, **change(off))).status_code == 200
    world.problem(await client(api_url, person).patch(MINE, **mine, json={"note": "Mine."}), 422, "invalid")
    desk = client(api_url, callers.own)
    document = world.problem(await desk.patch(PATH, params=JANE, **change(on)), 422, "invalid")
    assert [(one["field"], one["code"]) for one in document["errors"]] == [("choices[0].allowed", "required")]
    assert rules((await desk.get(PATH, params=JANE)).json())["email"] == (False, "recipient:category+channel")
    noted = await desk.patch(PATH, params=JANE, json={"choices": [on], "note": "They asked for it."})
    assert rules(noted.json())["email"] == (True, "recipient:category+channel")
    async with db.platform() as session:
        [line] = (await list_operations(session, limit=5, kind="preference.overrule")).items
    assert (line.reason, line.actor_kind) == ("They asked for it.", "credential")


@pytest.mark.parametrize("is_own", [True, False])
async def test_member_lifts_what_was_unsubscribed_for_the_address_of_their_account_alone(
    api_url: str, client: Any, callers: Any, someone: Any, db: Database, settings: Settings, is_own: Any
) -> None:
    person = await someone(member="customer_staff")
    async with db.platform() as session:
        own = str(await session.scalar(select(User.email).where(User.id == person.user_id)))
    address = own if is_own else "jane@example.org"
    print_ = recipient_hash(Sealer(settings.auth.secret), address)
    desk = client(api_url, callers.own)
    put = await desk.put("/v1/recipients/u-17", json={"user_id": str(person.user_id), "email": address})
    assert put.status_code == 201, put.text
    async with db.platform() as session:
        whose = {"organization_id": ORGANIZATION, "recipient_hash": print_}
        await suppress_by_reader(session, **whose, category="requests")
    mine = {"params": {"organization_id": str(ORGANIZATION)}}
    on = change(choice("category", "requests", "email", allowed=True))
    shown = (await client(api_url, person).patch(MINE, **mine, **on)).json()
    assert rules(shown)["email"] == ((True, "recipient:category+channel") if is_own else (False, "suppression"))
    link = (await client(api_url, person).post(f"{MINE}/link", **mine)).json()["url"]
    page = await client(api_url, person).get(f"/preferences/{link.rpartition('/')[2]}")
    assert ("that may not be yours" in page.text) is not is_own


def how_often(view: Any, category: str) -> dict[str, tuple[str | None, str | None]]:
    [found] = [one for one in view["categories"] if one["category"] == category]
    return {one["channel"]: (one["frequency"], one["frequency_rule"]) for one in found["channels"]}


async def test_how_often_is_chosen_read_with_its_rule_and_taken_back(
    api_url: str, client: Any, callers: Any, jane: None, someone: Any
) -> None:
    desk, owner = client(api_url, callers.own), client(api_url, await someone(member="customer_owner"))
    weekly = {"scope": "category", "name": "requests", "frequency": "weekly"}
    daily = {"scope": "all", "channel": "sms", "frequency": "daily"}
    assert (await owner.patch(DEFAULTS, json={"frequencies": [daily]})).status_code == 200
    defaults = await owner.patch(DEFAULTS, json={"choices": [], "frequencies": [daily]})
    nothing = await owner.patch(DEFAULTS, json={})
    assert (nothing.status_code, nothing.json()) == (200, defaults.json())
    both = {"choices": [choice("all", None, "sms", allowed=False)], "frequencies": [weekly]}
    shown = (await desk.patch(PATH, params=JANE, json=both)).json()
    assert how_often(shown, "requests") == dict.fromkeys(("email", "sms"), ("weekly", "recipient:category"))
    assert rules(shown)["sms"] == (False, "recipient:channel")
    [kept] = shown["frequencies"]
    assert (kept["name"], kept["channel"], kept["frequency"], kept["source"]) == (
        "requests",
        None,
        "weekly",
        "organization",
    )
    back = (await desk.patch(PATH, params=JANE, json={"frequencies": [weekly | {"frequency": None}]})).json()
    assert (back["frequencies"], len(back["choices"])) == ([], 1)
    assert how_often(back, "requests") == {"email": (None, None), "sms": ("daily", "organization:channel")}


async def test_every_fault_of_how_often_is_named_and_nothing_is_kept(
    api_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(api_url, callers.own)
    sent = [
        {"scope": "category", "name": "requests", "frequency": "daily"},
        {"scope": "all", "channel": "inbox", "frequency": "daily"},
        {"scope": "type", "name": "security_notice", "frequency": "weekly"},
        {"scope": "category", "name": "requests", "frequency": "weekly"},
    ]
    document = world.problem(await desk.patch(PATH, params=JANE, json={"frequencies": sent}), 422, "invalid")
    assert {one["field"]: one["code"] for one in document["errors"]} == {
        "frequencies[1].channel": "unknown_value",
        "frequencies[2].frequency": "invalid",
        "frequencies[3]": "repeated",
    }
    hourly = {"frequencies": [{"scope": "all", "frequency": "hourly"}]}
    document = world.problem(await desk.patch(PATH, params=JANE, json=hourly), 422, "invalid")
    assert document["errors"][0]["field"] == "frequencies[0].frequency"
    assert (await desk.get(PATH, params=JANE)).json()["frequencies"] == []


async def test_organization_says_when_digests_come_by_default(
    api_url: str, client: Any, callers: Any, someone: Any, world: Any
) -> None:
    path, fridays = f"{DEFAULTS}/digest", {"at": "17:00", "weekday": 5}
    desk, owner = client(api_url, callers.own), client(api_url, await someone(member="customer_owner"))
    assert (await desk.get(path)).json() == {"at": None, "weekday": None}
    world.problem(await desk.put(path, json=fridays), 403, "scope-missing")
    assert (await owner.put(path, json=fridays)).json() == fridays
    assert (await desk.get(path)).json() == fridays
    assert (await client(api_url, callers.other).get(path)).json() == {"at": None, "weekday": None}
    document = world.problem(await owner.put(path, json={"at": "25:00", "weekday": 8}), 422, "invalid")
    assert {one["field"] for one in document["errors"]} == {"at", "weekday"}
    assert (await owner.put(path, json={})).json() == {"at": None, "weekday": None}
