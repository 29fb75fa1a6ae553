"""Each kind of problem has a page that explains it, where its type leads, in the form that the reader takes."""

import re
from typing import Any

import httpx
import pytest

from singr_api.http.codes import FIELD_CODES
from singr_api.http.kinds import BASE, KINDS, Kind
from singr_api.http.negotiation import preferred

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_every_kind_of_problem_has_a_page_in_every_form(standing_url: str, client: Any) -> None:
    caller: httpx.AsyncClient = client(standing_url)
    for kind in KINDS:
        path = "/problems/" + kind.slug
        page = await caller.get(path, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<h2>What to do</h2>" in page.text
        assert "`" not in page.text
        told = (await caller.get(path, headers={"accept": "application/json"})).json()
        assert (told["type"], told["status"], told["title"]) == (BASE + kind.slug, kind.status, kind.title)
        assert kind.remedy in (await caller.get(path)).text


async def test_every_page_is_reached_from_the_index(standing_url: str, client: Any) -> None:
    index = await client(standing_url).get("/problems", headers=BROWSER)
    assert set(re.findall(r'href="/problems/([a-z-]+)"', index.text)) == {kind.slug for kind in KINDS}
    assert {code for code in FIELD_CODES if f'id="{code}"' in index.text} == set(FIELD_CODES)


async def test_the_type_of_a_problem_names_a_page(standing_url: str, client: Any, world: Any) -> None:
    caller: httpx.AsyncClient = client(standing_url)
    document = world.problem(await caller.get("/v1/jobs"), 401, "unauthenticated")
    page = await caller.get("/problems/" + document["type"].removeprefix(BASE), headers=BROWSER)
    assert page.status_code == 200


async def test_a_page_about_nothing_leads_on(standing_url: str, client: Any, world: Any) -> None:
    caller: httpx.AsyncClient = client(standing_url)
    page = await caller.get("/problems/nothing", headers=BROWSER)
    assert page.status_code == 404
    assert 'href="/problems"' in page.text
    world.problem(await caller.get("/problems/nothing", headers={"accept": "application/json"}), 404, "not-found")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.slug for kind in KINDS])
def test_the_words_of_a_problem_are_sentences(kind: Kind) -> None:
    for words in (kind.meaning, kind.remedy):
        assert words[0].isupper()
        assert words.endswith(".")
        assert words.count("`") % 2 == 0
    assert not kind.title.endswith(".")


def test_slugs_are_unique() -> None:
    assert len({kind.slug for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_who_comes_by_the_front_door_is_led_to_the_documentation(
    standing_url: str, client: Any, path: str
) -> None:
    led: httpx.Response = await client(standing_url).get(path, headers=BROWSER)
    assert (led.status_code, led.headers["location"]) == (302, "/schema")
    assert '</schema/openapi.json>; rel="service-desc"' in led.headers["link"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (BROWSER["accept"], "text/html"),
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("text/*;q=0.5, application/json;q=0.6", "application/json"),
        ("text/plain;q=0, text/*", "text/html"),
        ("image/png", "text/plain"),
        ("text/html;q=x", "text/plain"),
    ],
)
def test_the_form_is_what_the_reader_likes_best(accept: str, expected: str) -> None:
    offers = ("text/plain", "text/html", "application/json", "application/problem+json")
    assert preferred(accept, offers) == expected
