"""Optional authentication: a route that answers strangers and known callers alike, and refuses wrong credentials."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from singr_api.admission.call import OptionalCall
from singr_api.admission.people import Person
from singr_api.admission.policy import Access, PolicyTable
from singr_api.routing.listing import routes_as_markdown
from singr_api.routing.openapi import build_document
from singr_api.routing.route import Answer, Section

venues = Section("Venues", access=Access.OPTIONAL)


class Greeting(msgspec.Struct, frozen=True):
    to: str


@venues.route("GET /v1/venues", "readVenues", Answer("It."))
async def read(call: OptionalCall) -> Greeting:
    """Read it."""
    return _greet(call)


@venues.route("POST /v1/venues/like", "likeVenue", Answer("Liked."), unguessable=True)
async def like(call: OptionalCall) -> Greeting:
    """Like it."""
    return _greet(call)


def _greet(call: OptionalCall) -> Greeting:
    known = call.known
    if known is None:
        return Greeting("a stranger")
    return Greeting(str(known.user_id) if isinstance(known, Person) else known.key_id)


@pytest.fixture
async def url(serve_section: Any) -> AsyncIterator[str]:
    async with serve_section(venues) as url:
        yield url


async def test_stranger_is_answered_without_credentials(url: str, client: Any) -> None:
    answer = await client(url).get("/v1/venues")
    assert (answer.status_code, answer.json()) == (200, {"to": "a stranger"})


async def test_person_is_known_by_their_token_in_header_and_cookie(url: str, client: Any, someone: Any) -> None:
    person = await someone()
    for headers in (person.bearer, person.cookie):
        assert (await client(url, headers).get("/v1/venues")).json() == {"to": str(person.user_id)}


async def test_service_is_known_by_key_and_signature(url: str, client: Any, callers: Any) -> None:
    assert (await client(url, callers.own).get("/v1/venues")).json() == {"to": callers.own.key_id}
    assert (await client(url, callers.api_key).get("/v1/venues")).json()["to"].startswith("ak_")


@pytest.mark.parametrize(
    "wrong",
    [
        {"authorization": "Bearer nope"},
        {"authorization": "Basic YTpi"},
        {"cookie": "__Host-singr_access=nope"},
        {"x-api-key": "sk_live_nope"},
        {"x-singr-key": "sg_nope"},
    ],
    ids=["token", "scheme", "cookie", "key", "signature"],
)
async def test_wrong_credentials_are_refused_though_none_are_needed(
    url: str, client: Any, wrong: dict[str, str]
) -> None:
    assert (await client(url, wrong).get("/v1/venues")).status_code == 401


async def test_expired_token_and_credential_are_refused(url: str, client: Any, callers: Any, someone: Any) -> None:
    assert (await client(url, await someone(at=1_000_000_000.0)).get("/v1/venues")).status_code == 401
    assert (await client(url, callers.expired).get("/v1/venues")).status_code == 401


async def test_signed_change_is_taken_once(url: str, client: Any, callers: Any) -> None:
    first = await client(url, callers.own).post("/v1/venues/like")
    assert first.status_code == 200
    again = await client(url, dict(first.request.headers)).post("/v1/venues/like")
    assert again.status_code == 401


async def test_another_site_changes_nothing_as_stranger_or_with_a_cookie(url: str, client: Any, someone: Any) -> None:
    person = await someone()
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (await client(url).post("/v1/venues/like")).status_code == 200
    assert (await client(url, foreign).post("/v1/venues/like")).status_code == 403
    assert (await client(url, person.cookie).post("/v1/venues/like")).status_code == 403
    assert (await client(url, person.page).post("/v1/venues/like")).json() == {"to": str(person.user_id)}


async def test_strangers_are_counted_by_address_and_others_by_credential(url: str, client: Any, callers: Any) -> None:
    assert '"address"' in (await client(url).get("/v1/venues")).headers["ratelimit-policy"]
    assert '"credential"' in (await client(url, callers.own).get("/v1/venues")).headers["ratelimit-policy"]


def test_documents_say_that_no_credentials_will_do_and_what_wrong_ones_meet() -> None:
    table = PolicyTable(route.policy for route in venues.routes)
    named = {"version": "1", "server": "http://api", "name": "Singr", "contact": "help@singr.example"}
    paths = build_document([route.operation for route in venues.routes], table, **named)["paths"]
    operation = paths["/v1/venues"]["get"]
    assert operation["security"][-1] == {}
    assert {"ApiKey": []} in operation["security"]
    assert "401" in operation["responses"]
    line = "| `GET /v1/venues` | optional |  | by credential; strangers by address |  |\n"
    assert line in routes_as_markdown(table.policies)
