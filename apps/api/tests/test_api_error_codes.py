"""Each entry of `errors[]` says in a stable word what is wrong, and only what is wrong has an entry."""

import ast
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import httpx
import msgspec
import pytest
from msgspec import Meta

from singr_api.http.codes import FIELD_CODES, FieldCode
from singr_api.http.form.validation import decode_body
from singr_api.http.problems import Problem
from singr_api.http.translations import problem_of
from singr_api.messages.notifications.schemas import SendNotification
from singr_api.organizations.credentials.schemas import CreateCredential
from singr_api.people.recipients.schemas import ImportRecipients
from singr_auth import AccessTokenError, SignatureError, WeakPasswordError
from singr_auth.accounts import CredentialError, InvalidValueError

SOURCES = Path(__file__).resolve().parents[3]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=5, pattern="^[a-z]*$")]


class Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=5, pattern="^[a-z]*$")] = "a"
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    id: UUID | None = None
    at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    kind: Literal["a", "b"] = "a"
    scopes: Annotated[tuple[Literal["read", "write"], ...], Meta(min_length=1, max_length=3)] = ("read",)
    parts: Annotated[list[Part], Meta(max_length=2)] | None = None
    by_name: Annotated[dict[str, Part], Meta(max_length=2)] = {}
    pair: tuple[int, str] = (1, "a")
    part: Annotated[Part, Meta(description="said beside it")] | None = None


_decoder = msgspec.json.Decoder(Whole)


def wrong(body: Any, decoder: Any = _decoder) -> dict[str, str]:
    with pytest.raises(Problem) as refused:
        decode_body(decoder, json.dumps(body).encode())
    return {error.field: error.code for error in refused.value.errors}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"part": {}}, {"part.name": "required"}),
        ({"nmae": 1}, {"nmae": "unknown_field"}),
        ({"name": 5}, {"name": "wrong_type"}),
        ({"name": ""}, {"name": "too_short"}),
        ({"name": "aaaaaa"}, {"name": "too_long"}),
        ({"name": "A"}, {"name": "pattern"}),
        ({"count": 0}, {"count": "too_small"}),
        ({"count": 10}, {"count": "too_large"}),
        ({"count": "1"}, {"count": "wrong_type"}),
        ({"id": "x"}, {"id": "malformed"}),
        ({"at": "2026-01-01T00:00:00"}, {"at": "malformed"}),
        ({"kind": "c"}, {"kind": "unknown_value"}),
        ({"kind": 1}, {"kind": "wrong_type"}),
        ({"scopes": []}, {"scopes": "too_few_items"}),
        ({"scopes": ["read"] * 4}, {"scopes": "too_many_items"}),
        ({"scopes": ["read", "sing"]}, {"scopes[1]": "unknown_value"}),
        ({"parts": [{"name": "a"}, {"name": ""}]}, {"parts[1].name": "too_short"}),
        ({"by_name": {"x": {"name": 1}}}, {"by_name.x.name": "wrong_type"}),
        ({"pair": [1, 2]}, {"pair[1]": "wrong_type"}),
        ({"pair": [1]}, {"pair": "too_few_items"}),
        ({"part": "x"}, {"part": "wrong_type"}),
    ],
)
def test_what_is_wrong_is_said_in_a_stable_word(body: dict[str, Any], expected: dict[str, str]) -> None:
    assert wrong(body) == expected


RIGHT: dict[str, Any] = {
    "name": "a",
    "count": 1,
    "id": "01920000-0000-7000-8000-000000000001",
    "at": "2026-01-01T00:00:00Z",
    "kind": "b",
    "scopes": ["read", "write"],
    "parts": [{"name": "a"}],
    "by_name": {"x": {"name": "a"}},
    "pair": [1, "a"],
    "part": {"name": "a"},
}


@pytest.mark.parametrize("name", RIGHT)
def test_only_the_field_that_is_wrong_is_named(name: str) -> None:
    assert set(wrong(RIGHT | {name: {"quite": ["another"]}})) <= {name, f"{name}.quite", f"{name}.name"}


def test_the_scopes_of_a_nameless_key_are_not_blamed() -> None:
    decoder = msgspec.json.Decoder(CreateCredential, strict=True)
    assert wrong({"name": "", "scopes": ["jobs:read"]}, decoder) == {"name": "too_short"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WeakPasswordError("common", "is one of the most used"), "common"),
        (SignatureError("stale", "x-singr-timestamp", "is off"), "stale"),
        (CredentialError("unknown", "opens nothing"), "unknown"),
        (InvalidValueError("role", "must be a role", code="not_found"), "not_found"),
    ],
)
def test_the_code_of_a_librarys_error_reaches_the_caller(error: Exception, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert [entry.code for entry in problem.errors] == [code]


def codes_of(error: type[Exception]) -> set[str]:
    hint = error.__init__.__annotations__["code"]
    return set(get_args(hint))


def test_every_code_of_the_libraries_is_documented() -> None:
    errors = (WeakPasswordError, SignatureError, AccessTokenError, CredentialError, InvalidValueError)
    assert {code for error in errors for code in codes_of(error)} <= set(FIELD_CODES)


def test_every_code_is_explained_and_used() -> None:
    assert set(FIELD_CODES) == set(get_args(FieldCode))
    folders = [SOURCES / "apps/api/src", SOURCES / "packages/singr-auth/src"]
    used = {
        node.value
        for folder in folders
        for path in folder.rglob("*.py")
        if path.name not in {"codes.py", "_codes.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [code for code in FIELD_CODES if code not in used] == []


async def test_a_weak_password_is_told_by_its_code(api_url: str, client: Any, world: Any) -> None:
    body = {"email": "jane@example.org", "password": "password123456789", "name": "Jane", "account_type": "singer"}
    answer: httpx.Response = await client(api_url).post("/v1/auth/register", json=body)
    document = world.problem(answer, 422, "invalid")
    assert [(one["field"], one["code"]) for one in document["errors"]] == [("password", "common")]


def calls_to_refuse(body: Any, struct: type[msgspec.Struct]) -> int:
    """How many functions, in Python and in C, are called until the body is refused."""
    decoder, text, calls = msgspec.json.Decoder(struct), json.dumps(body).encode(), 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        decode_body(decoder, text)
    except Problem:
        return calls
    finally:
        sys.setprofile(None)
    raise AssertionError("it was taken")


@pytest.mark.parametrize(
    ("struct", "body"),
    [
        (SendNotification, {"type": "plain", "to": [{}] * 100_000}),
        (SendNotification, {"type": "plain", "to": [{"recipient": 1}] * 50_000}),
        (SendNotification, {"type": "plain", "to": [{"email": "a@b.example", "mail": 1}] * 1_000}),
        (SendNotification, {"type": "plain", "to": [{"recipient": "a"}] * 999 + [{}, 1]}),
        (SendNotification, {"type": "plain", "to": [{"recipient": "a"}], "channels": ["sms"] * 100_000}),
        (SendNotification, {"type": 1, "to": [], "data": {f"name{number}": number for number in range(50_000)}}),
        (SendNotification, {"type": "plain", "to": [], **{f"name{number}": 1 for number in range(50_000)}}),
        (SendNotification, {"type": 1, "to": [{"recipient": "a", "data": {"a": [[1] * 9] * 9_000}}] * 2}),
        (ImportRecipients, {"recipients": [{"external_id": "a"}] * 40_000}),
        (ImportRecipients, {"recipients": [{"external_id": "a", "tags": [1] * 40}] * 1_000}),
        (Whole, {"by_name": {f"name{number}": {"name": "A"} for number in range(50_000)}}),
        (Whole, {"pair": [1] * 100_000}),
    ],
)
def test_a_refused_body_costs_no_more_than_a_good_one_of_its_route(struct: type[msgspec.Struct], body: Any) -> None:
    assert calls_to_refuse(body, struct) < 40_000, "of a list that is too long, more is looked at than it may hold"
