"""A route is declared once; one whose handler does not fit its policy fails at import, and says what to do."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar

from singr_api.admission.call import AnonymousCall, Call, UserCall
from singr_api.admission.policy import Access, PolicyTable
from singr_api.routing.handler import RouteError
from singr_api.routing.listing import routes_as_markdown
from singr_api.routing.route import Answer, Section
from singr_api.wiring.routes import policy_table
from singr_comms.people import ExternalId, TopicKey
from singr_db import PlatformSession, TenantSession

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "ROUTES.md"
CALLER: dict[str, Any] = {"access": Access.CALLER, "scope": "jobs:read"}
WRITE: dict[str, Any] = {"access": Access.CALLER, "scope": "jobs:write", "idempotent": True}


class Thing(msgspec.Struct, frozen=True):
    name: str


class Filter(msgspec.Struct, frozen=True):
    organization_id: UUID | None = None


async def _plain() -> Thing:
    """Read a thing."""
    return Thing("a")


async def _undocumented() -> Thing:
    return Thing("a")


async def _unannotated():
    """Read a thing."""


def _blocking() -> Thing:
    """Read a thing."""
    return Thing("a")


async def _of_user(call: UserCall) -> Thing:
    """Read a thing."""
    return Thing(call.path)


async def _of_anybody(call: AnonymousCall) -> Thing:
    """Read a thing."""
    return Thing(call.path)


async def _of_caller(call: Call) -> Thing:
    """Read a thing."""
    return Thing(call.path)


async def _with_id(thing_id: UUID) -> Thing:
    """Read a thing."""
    return Thing(str(thing_id))


async def _with_number(thing_id: int) -> Thing:
    """Read a thing."""
    return Thing(str(thing_id))


async def _with_body(body: Thing) -> Thing:
    """Read a thing."""
    return body


async def _in_tenant(session: TenantSession) -> Thing:
    """Read a thing."""
    return Thing(str(session))


async def _in_something(session: str) -> Thing:
    """Read a thing."""
    return Thing(session)


async def _for_platform(session: PlatformSession) -> Thing:
    """Read a thing."""
    return Thing(str(session))


async def _in_bytes(session: PlatformSession) -> bytes:
    """Read a thing."""
    return str(session).encode()


CASES: list[tuple[str, Callable[..., Any], dict[str, Any], str]] = [
    ("GET /v1/things", _undocumented, CALLER, "give it a docstring"),
    ("GET /v1/things", _unannotated, CALLER, "annotate what it returns"),
    ("GET /v1/things", _blocking, CALLER, "async def"),
    ("GET /v1/things", _of_user, CALLER, "annotate `call` as Call"),
    ("GET /v1/things", _of_caller, {"access": Access.USER}, "annotate `call` as UserCall"),
    ("GET /v1/things", _of_anybody, {}, "take `client` or `request`"),
    ("GET /v1/things", _with_id, CALLER, "nothing gives its parameter `thing_id`"),
    ("GET /v1/things/{thing_id}", _plain, CALLER, "take the path's `thing_id`"),
    ("GET /v1/things/{thing_id}", _with_number, CALLER, "annotate `thing_id` as UUID or str"),
    ("GET /v1/things", _with_body, CALLER, "GET has none"),
    ("GET /v1/things", _in_tenant, CALLER, "say which organization"),
    ("GET /v1/things", _in_something, CALLER, "annotate `session`"),
    ("GET /v1/things", _plain, {"access": Access.CALLER}, "name the scope"),
    ("GET /v1/things", _plain, {"access": Access.CALLER, "scope": "things:read"}, "add the permission things:read"),
    ("GET /v1/things", _plain, {"access": Access.USER, "scope": "jobs:read"}, "take its scope away"),
    ("GET /v1/things", _plain, {"access": Access.USER, "platform": "no"}, "`platform=` is for callers"),
    ("GET /v1/things", _plain, {**CALLER, "sealed": True}, "take `sealed` away"),
    ("GET /v1/things", _plain, {**CALLER, "scopes": 1}, "its rules are no policy"),
    ("POST /v1/things", _for_platform, {**CALLER, "scope": "jobs:write"}, "make it idempotent"),
    ("POST /v1/things", _plain, WRITE, "take a `session`"),
    ("POST /v1/things", _in_bytes, WRITE, "answer a struct"),
    ("POST /v1/things", _with_body, {}, "say what guards"),
    ("POST /v1/things", _with_body, {"unguessable": True, "idempotent": True}, "a key belongs to somebody"),
    ("GET /v1/things", _of_anybody, {"access": Access.OPTIONAL}, "annotate `call` as OptionalCall"),
    ("POST /v1/things", _with_body, {"access": Access.OPTIONAL}, "say what guards"),
]


@pytest.mark.parametrize(("line", "handler", "rules", "advice"), CASES)
def test_a_handler_that_does_not_fit_its_policy_fails_at_import_with_what_to_do(
    line: str, handler: Callable[..., Any], rules: dict[str, Any], advice: str
) -> None:
    with pytest.raises(RouteError) as refused:
        Section("Things", **rules).route(line, "thing", Answer("It."))(handler)
    said = str(refused.value)
    assert advice in said
    assert f"{handler.__module__}.{handler.__qualname__} ({line}): " in said


def test_a_route_without_an_answer_is_refused() -> None:
    with pytest.raises(RouteError, match="say what it answers"):
        Section("Things", **CALLER).route("GET /v1/things", "thing")(_plain)


def test_a_route_that_is_declared_twice_is_refused() -> None:
    section = Section("Things", **CALLER)
    section.route("GET /v1/things", "thing", Answer("It."))(_plain)
    section.route("GET /v1/things", "other", Answer("It."))(_plain)
    with pytest.raises(ValueError, match="GET /v1/things is declared twice"):
        PolicyTable(route.policy for route in section.routes)


def test_one_declaration_is_policy_and_documentation() -> None:
    section = Section("Things", note="For you.", **CALLER)

    @section.route("GET /v1/things/{thing_id}", "readThing", Answer("It."))
    async def read(session: TenantSession, query: Filter, thing_id: UUID) -> Thing:
        """Read a thing.

        All
        of it.
        """
        return Thing(f"{session} {query} {thing_id}")

    [route] = section.routes
    assert (route.policy.scope, route.policy.query, route.policy.takes_body) == ("jobs:read", True, False)
    operation = route.operation
    assert (operation.summary, operation.description) == ("Read a thing", "All of it. For you.")
    assert (operation.query, operation.outcomes[0].type, operation.outcomes[0].status) == (Filter, Thing, 200)


def test_a_routes_own_note_stands_before_that_of_its_section() -> None:
    section = Section("Things", note="For you.", **CALLER)
    section.route("GET /v1/things", "listThings", Answer("It."), note="Told by mail.")(_plain)
    assert section.routes[0].operation.description == "Told by mail. For you."


def test_handler_of_several_sections_is_documented_in_the_words_of_each() -> None:
    async def read() -> Thing:
        """Read {one}."""
        return Thing("a")

    section = Section("Things", words={"one": "a thing"}, **CALLER)
    section.route("GET /v1/things", "readThing", Answer("It."))(read)
    assert section.routes[0].operation.summary == "Read a thing"


def test_a_deletion_that_answers_nothing_is_served_as_204() -> None:
    section = Section("Things", access=Access.USER)

    @section.route("DELETE /v1/things", "deleteThings", Answer("Deleted."))
    async def delete() -> None:
        """Delete all things."""

    [route] = section.routes
    Litestar([route.served])  # it refuses what it holds for an answer with a body
    assert route.operation.outcomes[0].status == 204


async def test_bytes_are_answered_as_they_are_with_what_the_answer_says_of_them() -> None:
    section = Section("Things")

    @section.route("GET /thing.css", "style", Answer("It.", media="text/css", sends={"cache-control": "no-store"}))
    async def style() -> bytes:
        """The style."""
        return b"body{}"

    transport = httpx.ASGITransport(Litestar([section.routes[0].served]))  # type: ignore[arg-type] # ASGI by other names
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.get("/thing.css")
    assert answer.text == "body{}"
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "no-store"


def test_no_id_that_callers_choose_is_a_word_of_a_route_beside_it() -> None:
    """Such a word's own route would answer in place of the resource, with 405, for ever."""
    chosen = {"external_id": ExternalId, "key": TopicKey}
    paths = {tuple(policy.path.split("/")) for policy in policy_table().policies}
    found = {
        (path[place], other[place].strip("{}"))
        for path, other in product(paths, paths)
        for place in range(min(len(path), len(other)))
        if path[:place] == other[:place] and other[place].strip("{}") in chosen and not path[place].startswith("{")
    }
    assert ("import", "external_id") in found
    for word, name in found:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(word, chosen[name])


def test_committed_list_of_routes_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == routes_as_markdown(policy_table().policies), "run: uv run scripts/export_routes.py"
