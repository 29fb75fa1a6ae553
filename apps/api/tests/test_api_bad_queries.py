"""Bad parameters of a query: each is named with what would be right, all at once, and none is repeated."""

from typing import Any

import msgspec
import pytest

from singr_api.admission.call import read_query
from singr_api.http.form.validation import decode_body
from singr_api.http.negotiation import check_accepts_json
from singr_api.http.problems import Problem
from singr_api.work.jobs.schemas import JobQuery


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("status=done", "status"),
        ("queue=nope", "queue"),
        ("cursor=garbage", "cursor"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-11-22T12:00:00", "created_after"),
        ("created_after=1700000000", "created_after"),
        ("organization_id=null", "organization_id"),
        ("organization_id=1", "organization_id"),
        ("surprise=1", "surprise"),
        ("type=a%00b", "type"),
        ("limit=5&limit=6", "limit"),
        ("created_after=2026-11-24T00:00:00Z&created_before=2026-11-20T00:00:00Z", ""),
    ],
)
async def test_bad_query_parameter_is_named(
    standing_url: str, callers: Any, client: Any, world: Any, query: str, field: str
) -> None:
    for path in ("/v1/jobs", "/v1/deliveries"):
        if path == "/v1/deliveries" and field in {"queue", "type"}:
            continue
        answer = await client(standing_url, callers.own).get(f"{path}?{query}")
        assert field in world.fields(world.problem(answer, 422, "invalid"))


BAD: dict[str, tuple[str, ...]] = {
    "/v1/dead-letters": ("state=gone", "type=No", "queue=nope", "error_code=", "fingerprint=x", "job_id=5"),
    "/v1/dead-letters/groups": ("type=No", "state=open"),
    "/v1/flows": ("state=gone", "cursor=x", "limit=0"),
    "/v1/schedules": ("state=gone", "cursor=x", "limit=0"),
    "/v1/bulk-actions": ("cursor=x", "limit=0", "organization_id=5"),
    "/v1/operation-log": ("kind=No", "actor=%00", "target=", "organization_id=5", "limit=ten"),
}
NAIVE = ("2026-11-22T12:00:00", "yesterday", "1700000000", "2026-11-22")


async def test_every_list_names_the_filter_that_cannot_be(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    operator = client(standing_url, await someone(platform="admin"))
    asked = [(path, query) for path, queries in BAD.items() for query in queries]
    asked += [("/v1/dead-letters", f"{field}={time}") for time in NAIVE for field in ("failed_after", "failed_before")]
    for path, query in asked:
        answer = await operator.get(f"{path}?{query}")
        assert {*world.fields(world.problem(answer, 422, "invalid"))} == {query.partition("=")[0]}, (path, query)


async def test_a_bulk_action_names_the_filter_that_cannot_be(
    standing_url: str, client: Any, someone: Any, world: Any
) -> None:
    operator = client(standing_url, await someone(platform="admin"))
    wrong: list[tuple[str, Any]] = [("type", "No"), ("queue", "nope"), ("error_code", ""), ("fingerprint", "x")]
    for field, value in [*wrong, *(("failed_after", time) for time in (*NAIVE, 5))]:
        body = {"action": "requeue", "target": "dead_letters", "filter": {field: value}, "dry_run": True}
        answer = await operator.post("/v1/bulk-actions", json=body, headers=world.key())
        assert {*world.fields(world.problem(answer, 422, "invalid"))} == {f"filter.{field}"}, (field, value)


async def test_parameter_where_none_is_taken_is_refused_in_a_whole_sentence(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    answer = await client(standing_door_url, callers.own).post("/v1/jobs?x=1", json=world.sms(), headers=world.key())
    fields = world.fields(world.problem(answer, 422, "invalid"))
    assert fields == {"x": "is unknown here: this address takes no parameters in its query"}


async def test_query_that_is_no_utf8_is_400_and_its_text_is_not_repeated(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    answer = await client(standing_url, callers.own).get("/v1/jobs?status=%ff&token=hunter2hunter2")
    world.problem(answer, 400, "malformed-request")
    assert "hunter2" not in answer.text


async def test_all_invalid_parameters_are_named_at_once(
    standing_url: str, callers: Any, client: Any, world: Any
) -> None:
    answer = await client(standing_url, callers.own).get("/v1/jobs?limit=0&status=x&more=1")
    assert set(world.fields(world.problem(answer, 422, "invalid"))) == {"limit", "status", "more"}


def test_plus_that_is_read_as_a_space_is_told_how_it_is_written() -> None:
    read_query(b"created_after=2026-11-22T12:00:00%2B01:00", JobQuery)
    with pytest.raises(Problem) as caught:
        read_query(b"created_after=2026-11-22T12:00:00+01:00&limit=ten", JobQuery)
    told = {one.field: one.message.endswith("; write its + as %2B") for one in caught.value.errors}
    assert told == {"created_after": True, "limit": False}


def test_byte_order_mark_is_named_and_each_form_that_would_do() -> None:
    with pytest.raises(Problem, match="byte order mark"):
        decode_body(msgspec.json.Decoder(dict), b"\xef\xbb\xbf{}")
    for path, words in (
        ("/v1/jobs", "application/json"),
        ("/v1/notifications/preview", "application/json or text/html"),
    ):
        with pytest.raises(Problem) as caught:
            check_accepts_json(b"image/png", path)
        assert caught.value.errors[0].message == f"must admit {words}"


@pytest.mark.parametrize(
    "query", [b"status=done", b"cursor=null", b"limit=null", b"organization_id=null", b"queue=null"]
)
def test_a_parameter_is_never_said_to_be_null_which_no_query_can_send(query: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_query(query, JobQuery)
    assert all("null" not in one.message for one in refused.value.errors)
    assert refused.value.errors
