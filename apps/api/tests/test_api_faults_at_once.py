"""Everything that is wrong with a request is told in one answer, of form and of meaning, and nothing is done."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from api_callers import ORGANIZATION
from loguru import logger
from sqlalchemy import insert

from singr_api.http.form.validation import Misfit, decode_body
from singr_api.http.problems import FieldError, invalid
from singr_api.routing.rehearsing import Faults
from singr_db import Database, new_id
from singr_db.tables import Recipient

PATH = "/v1/notifications"
DRAWN = 60
Document = dict[str, Any]
Fault = Callable[[Document], str]


@pytest.fixture
async def jane(db: Database, callers: Any) -> None:
    row = {"organization_id": ORGANIZATION, "external_id": "u-17", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(id=new_id(), **row))


def document() -> Document:
    return {
        "type": "plain",
        "channels": ["sms"],
        "to": [{"recipient": "u-17"}, {"phone": "+15555550100"}, {"phone": "+15555550101", "data": {"text": "You."}}],
        "data": {"text": "You are next: come to the stage."},
    }


def at_top(name: str, value: Any) -> Fault:
    def plant(body: Document) -> str:
        body[name] = value
        return name

    return plant


def within(place: int, name: str, value: Any) -> Fault:
    def plant(body: Document) -> str:
        body["to"][place][name] = value
        return f"to[{place}].{name}"

    return plant


def another(target: Document, at: str) -> Fault:
    def plant(body: Document) -> str:
        body["to"].append(target)
        return f"to[{len(body['to']) - 1}]{at}"

    return plant


def by(channel: Any) -> Fault:
    def plant(body: Document) -> str:
        body["channels"].append(channel)
        return f"channels[{len(body['channels']) - 1}]"

    return plant


def without_text(body: Document) -> str:
    del body["data"]["text"]
    return "data.text"


def with_colour(body: Document) -> str:
    body["data"]["colour"] = "red"
    return "data.colour"


def with_no_text(body: Document) -> str:
    body["to"][2]["data"]["text"] = 5
    return "to[2].data.text"


FORM: tuple[Fault, ...] = (
    at_top("colour", "red"),
    at_top("send_at", "tomorrow"),
    at_top("deduplication_key", ""),
    at_top("priority", "urgent"),
    at_top("replace", "yes"),
    within(0, "recipient", 5),
    within(1, "phone", 7),
    within(1, "colour", "red"),
    within(2, "nonsense", 1),
    by(5),
    another("everybody", ""),  # type: ignore[arg-type] # it is none
)
MEANING: tuple[Fault, ...] = (
    at_top("expires_at", "2001-01-01T00:00:00Z"),
    at_top("per_minute", 10),
    without_text,
    with_colour,
    with_no_text,
    another({"phone": "+15555550101"}, ""),
    another({"recipient": "nobody"}, ".recipient"),
    another({"phone": "+4900"}, ".phone"),
    another({"recipient": "u-17", "phone": "+15555550102"}, ""),
    by("fax"),
)


async def told(answer: Any, world: Any) -> list[str]:
    return sorted(one["field"] for one in world.problem(answer, 422, "invalid")["errors"])


async def test_as_many_faults_are_told_as_were_planted(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk, drawn = client(standing_url, callers.own), random.Random(13)
    for _ in range(DRAWN):
        body = document()
        faults = drawn.sample(FORM, drawn.randint(1, 5)) + drawn.sample(MEANING, drawn.randint(1, 5))
        planted = sorted(fault(body) for fault in faults)
        answer = await desk.post(PATH, json=body, headers=world.key())
        assert await told(answer, world) == planted, body
    assert (await desk.get(PATH)).json()["items"] == []


async def test_of_what_cannot_be_read_nothing_is_guessed(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(standing_url, callers.own)
    for change, expected in (
        ({"type": 5}, ["type"]),
        ({"type": "unheard", "send_at": 1}, ["send_at", "type"]),
        ({"to": 5}, ["to"]),
        ({"to": []}, ["to"]),
        ({"to": [{"phone": "+15555550100"}] * 1001, "data": {}}, ["data.text", *["to"] * 1, *_again(1000)]),
        ({"channels": "sms"}, ["channels"]),
        ({"data": []}, ["data"]),
        ({"deduplication_key": 5, "replace": True}, ["deduplication_key"]),
        ({"channels": ["fax"], "data": {"title": "x"}}, ["channels[0]", "data.text"]),
    ):
        answer = await desk.post(PATH, json=document() | change, headers=world.key())
        assert await told(answer, world) == sorted(expected), change


def _again(most: int) -> list[str]:
    return [f"to[{place}]" for place in range(1, most)]


async def test_a_request_of_bad_form_leaves_nothing_and_its_key_stays_free(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk, key = client(standing_url, callers.own), world.key()
    refused = await desk.post(PATH, json=document() | {"colour": "red"}, headers=key)
    assert await told(refused, world) == ["colour"]
    assert (await desk.get(PATH)).json()["items"] == []
    assert (await desk.post(PATH, json=document(), headers=key)).status_code == 202


async def test_kin_of_notifications_tell_all_at_once_as_well(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(standing_url, callers.own)
    people: list[Document] = [{"external_id": f"u-{number}"} for number in range(4)]
    people[0] |= {"email": "no address", "time_zone": "Mars/Base"}
    people[1] |= {"phone": "+1555555", "colour": "red"}
    people[3] = {"external_id": "u-2"}
    choices = [
        {"scope": "type", "name": "unheard", "allowed": True},
        {"scope": "type", "allowed": "yes", "name": "plain"},
        {"scope": "town", "name": "plain", "allowed": True},
        {"scope": "all", "name": "plain", "allowed": True},
    ]
    asked: list[tuple[str, str, Any, list[str]]] = [
        (
            "POST",
            "/v1/recipients/import",
            {"recipients": people},
            [
                "recipients[0].email",
                "recipients[0].time_zone",
                "recipients[1].colour",
                "recipients[1].phone",
                "recipients[3].external_id",
            ],
        ),
        ("PUT", "/v1/recipients/u-9", {"time_zone": "Mars/Base", "tags": "x"}, ["tags", "time_zone"]),
        ("POST", "/v1/topics/farm/members", {"add": ["nobody"], "remove": 5}, ["add[0]", "remove"]),
        ("POST", "/v1/recipients/u-17/devices", {"token": 5, "time_zone": "Mars/Base"}, _DEVICE),
        (
            "PATCH",
            "/v1/preferences?recipient=u-17",
            {"choices": choices},
            ["choices[0].name", "choices[1].allowed", "choices[2].scope", "choices[3].name"],
        ),
        (
            "POST",
            "/v1/notifications/preview",
            {"type": "plain", "channel": "sms", "data": {"txt": "x"}, "locale": "klingon!"},
            ["data.text", "data.txt", "locale"],
        ),
    ]
    for method, path, body, expected in asked:
        answer = await desk.request(method, path, json=body, headers=world.key())
        assert await told(answer, world) == expected, path
    assert [one["external_id"] for one in (await desk.get("/v1/recipients")).json()["items"]] == ["u-17"]
    assert (await desk.get("/v1/topics")).json()["items"] == []


_DEVICE = ["platform", "time_zone", "token"]


async def test_what_is_wrong_with_query_and_body_is_told_together(
    standing_url: str, client: Any, callers: Any, world: Any
) -> None:
    desk = client(standing_url, callers.own)
    answer = await desk.post(f"{PATH}?colour=red", json=document() | {"to": 5}, headers=world.key())
    assert await told(answer, world) == ["colour", "to"]


async def test_beside_a_query_that_leaves_open_nothing_that_counts_a_body_is_judged_for_its_meaning(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    desk = client(standing_url, callers.own)
    nobody = document() | {"to": [{"recipient": "nobody"}]}
    for query, body, expected in (
        ("colour=red", document(), ["colour"]),
        ("colour=red", nobody, ["colour", "to[0].recipient"]),
        ("colour=red", nobody | {"send_at": "tomorrow"}, ["colour", "send_at", "to[0].recipient"]),
        ("organization_id=x", nobody | {"send_at": "tomorrow"}, ["organization_id", "send_at"]),
        ("colour=red&colour=blue", nobody, ["colour"]),
    ):
        answer = await desk.post(f"{PATH}?{query}", json=body, headers=world.key())
        assert await told(answer, world) == expected, query
    assert (await desk.get(PATH)).json()["items"] == []


JOB: tuple[tuple[str, Any], ...] = (
    ("id", "4f0bd0fa-0000-4000-8000-000000000001"),
    ("run_at", "0001-01-01T00:00:00Z"),
    ("concurrency_key", "7"),
    ("labels[1]", ["eu", "eu"]),
)


@pytest.mark.parametrize("form", [{}, {"colour": "red"}, {"priority": "urgent", "timeout": "long"}])
async def test_a_job_is_told_all_that_is_wrong_with_it_and_is_not_made(
    standing_url: str, client: Any, callers: Any, world: Any, form: Document
) -> None:
    desk = client(standing_url, callers.own)
    asked = world.sms(**{name.partition("[")[0]: value for name, value in JOB}, **form)
    asked["payload"] |= {"to": "+4900"}
    answer = await desk.post("/v1/jobs", json=asked, headers=world.key())
    assert await told(answer, world) == sorted([*form, *(name for name, _ in JOB), "payload.to"])
    only = world.sms(**form)
    only["payload"] |= {"to": "+4900"}
    answer = await desk.post("/v1/jobs", json=only, headers=world.key())
    assert await told(answer, world) == sorted([*form, "payload.to"])
    assert (await desk.get("/v1/jobs")).json()["items"] == []


async def test_ones_own_device_is_told_all_that_is_wrong_with_it_and_nothing_stays(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    member = client(standing_url, await someone(member="customer_staff"))
    at = "/v1/me/push-devices"
    answer = await member.post(at, json={"token": 5, "time_zone": "Mars/Base"})
    assert await told(answer, world) == _DEVICE
    device = {"token": "bk3RNwTe3H0:CI2k_HHwgIpoDKC", "platform": "ios"}
    answer = await member.post(at, json=device | {"colour": "red"})
    assert await told(answer, world) == ["colour"]
    assert (await member.get(at)).json()["items"] == []
    assert (await member.post(at, json=device)).status_code == 201


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: str
    place: int = 0


def faults_of(body: Document, *others: FieldError) -> Faults:
    """What is wrong with a body, and with a query beside it."""
    faults = Faults()
    if others:
        faults.add(invalid(*others))
    with pytest.raises(Misfit) as misfit:
        decode_body(msgspec.json.Decoder(Asked), msgspec.json.encode(body))
    faults.add(misfit.value)
    return faults


async def test_of_two_parts_with_many_faults_the_first_fifty_are_told_and_that_there_are_more() -> None:
    many = {"name": "Jo", **{f"colour-{number}": 1 for number in range(60)}}
    alone = await faults_of(many).told(None)
    query = FieldError("page", "is unknown here", "query", "unknown_field")
    both = await faults_of(many, query).told(None)
    assert (len(alone.errors), len(both.errors)) == (50, 50)
    assert both.errors == (query, *alone.errors[:49])
    assert both.detail == alone.detail
    assert "the first 50" in both.detail
    few = await faults_of({"name": "Jo", "colour": 1}, query).told(None)
    assert (len(few.errors), few.detail) == (2, "2 fields are not valid. See errors.")


@pytest.mark.parametrize(
    ("raised", "logged"),
    [
        (ZeroDivisionError("a fault of ours"), ["unhandled exception in a rehearsal"]),
        (invalid(FieldError("name", "is taken", "body", "invalid")), []),
        (None, []),
    ],
)
async def test_a_fault_of_ours_in_a_rehearsal_is_logged_and_the_form_told(
    raised: Exception | None, logged: list[str]
) -> None:
    async def rehearse(_: Any) -> None:
        if raised is not None:
            raise raised

    said: list[str] = []
    sink = logger.add(lambda line: said.append(line.record["message"]), level="ERROR")
    try:
        answer = await faults_of({"name": "Jo", "place": "x"}).told(rehearse)
    finally:
        logger.remove(sink)
    assert [line.partition("\n")[0] for line in said] == logged
    assert "place" in {one.field for one in answer.errors}


async def test_a_rehearsal_that_finds_nothing_logs_nothing(
    standing_url: str, client: Any, callers: Any, world: Any, jane: None
) -> None:
    said: list[str] = []
    sink = logger.add(lambda line: said.append(line.record["message"]), level="ERROR")
    try:
        refused = await client(standing_url, callers.own).post(
            PATH, json=document() | {"colour": "red"}, headers=world.key()
        )
    finally:
        logger.remove(sink)
    assert await told(refused, world) == ["colour"]
    assert said == []


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b" {} "])
async def test_where_nothing_belongs_into_a_body_clients_send_an_empty_one(
    standing_url: str, client: Any, callers: Any, world: Any, body: bytes
) -> None:
    desk = client(standing_url, callers.own)
    made = await desk.post(PATH, json=document() | {"to": {"all": True}}, headers=world.key())
    at = f"{PATH}/{made.json()['id']}"
    assert (await desk.post(f"{at}/pause", content=body, headers=world.key())).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "slug", "field"),
    [
        (b'{"x": 1}', 422, "invalid", "x"),
        (b"[1]", 422, "invalid", ""),
        (b"0", 422, "invalid", ""),
        (b'"please"', 422, "invalid", ""),
        (b"please=yes", 400, "malformed-body", ""),
        (b'{"\xff": 1}', 400, "malformed-body", ""),
    ],
)
async def test_where_nothing_belongs_into_a_body_nothing_is_taken(
    standing_url: str, client: Any, callers: Any, world: Any, body: bytes, status: int, slug: str, field: str
) -> None:
    desk = client(standing_url, callers.own)
    made = await desk.post(PATH, json=document() | {"to": {"all": True}}, headers=world.key())
    at = f"{PATH}/{made.json()['id']}"
    refused = world.problem(await desk.post(f"{at}/pause", content=body, headers=world.key()), status, slug)
    assert [one["field"] for one in refused["errors"]] == [field]
    assert (await desk.get(at)).json()["is_paused"] is False
