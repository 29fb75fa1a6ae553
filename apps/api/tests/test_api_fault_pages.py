"""People who follow a link of a mail are shown pages, also where it fails; they look like whoever wrote."""

from typing import Any

import httpx
import pytest
from api_callers import ORGANIZATION
from api_pictures import PNG
from sqlalchemy import text

from singr_comms.notifications import BrandingInput, picture_of, put_branding
from singr_comms.notifications._reader_links import ReaderLink, written
from singr_config import Settings
from singr_db import Database, Sealer, new_id

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PLACES = ("/v1/unsubscribe/", "/preferences/")


@pytest.fixture
def link(settings: Settings) -> str:
    link = ReaderLink(organization_id=ORGANIZATION, address_hash=b"h" * 32, category="requests", channel="email")
    return written(Sealer(settings.auth.secret), link)


async def asked(api: httpx.AsyncClient, method: str, path: str, accept: str, language: str = "en") -> httpx.Response:
    headers = {"accept": accept, "accept-language": language, "content-type": "application/x-www-form-urlencoded"}
    return await api.request(method, path, headers=headers, content=b"a=b" if method == "POST" else b"")


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize(
    ("language", "lang", "way", "says"),
    [
        ("ar", "ar", "rtl", "هذا الرابط لا يعمل"),
        ("de-AT", "de", "ltr", "Dieser Link funktioniert nicht"),
        ("fr", "en", "ltr", "This link does not work"),
    ],
)
async def test_altered_link_opens_a_page_in_the_readers_language(
    api: httpx.AsyncClient, callers: Any, link: str, at: str, language: str, lang: str, way: str, says: str
) -> None:
    for method in ("GET", "POST"):
        page = await asked(api, method, f"{at}{link[:-3]}abc", BROWSER, language)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert f'<html lang="{lang}" dir="{way}">' in page.text
        assert says in page.text
        assert "<script" not in page.text
        assert page.headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; img-src 'self'"
        )
        assert page.headers.get_list("cache-control") == ["no-store"]
        assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("behind", ["%20", "%E2%80%A6"])
async def test_link_with_what_a_mail_program_took_along_opens_a_page(
    api: httpx.AsyncClient, callers: Any, link: str, behind: str
) -> None:
    for at in PLACES:
        page = await asked(api, "GET", f"{at}{link}{behind}", BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "This link does not work" in page.text


async def test_link_that_was_encoded_on_its_way_works(api: httpx.AsyncClient, callers: Any, settings: Settings) -> None:
    of_both = ReaderLink(
        organization_id=ORGANIZATION, address_hash=b"\xff\xfb" * 16, category="requests", channel="email"
    )
    link = written(Sealer(settings.auth.secret), of_both)
    encoded = link.replace("_", "%5F").replace("-", "%2D")
    assert {"%5F", "%2D"} <= {encoded[at : at + 3] for at in range(len(encoded))}
    page = await asked(api, "GET", f"/v1/unsubscribe/{encoded}", BROWSER)
    assert page.status_code == 200


@pytest.mark.parametrize("at", PLACES)
async def test_form_that_is_too_large_is_told_of_on_a_page_that_sends_nobody_back_later(
    api: httpx.AsyncClient, callers: Any, world: Any, link: str, at: str
) -> None:
    too_large = {"content": b"shown=" + b"a" * 2_000_000}
    for language, says in (("en", "Nothing was saved"), ("de", "Nichts wurde gespeichert"), ("ar", "لم يُحفظ شيء")):
        form = {"accept": BROWSER, "accept-language": language, "content-type": "application/x-www-form-urlencoded"}
        page = await api.post(at + link, headers=form, **too_large)
        assert (page.status_code, page.headers["content-type"]) == (413, "text/html; charset=utf-8")
        assert f"<h1>{says}</h1>" in page.text
    world.problem(await api.post(at + link, **too_large), 413, "body-too-large")


async def test_form_that_arrives_incomplete_is_told_of_on_a_page(
    api: httpx.AsyncClient, callers: Any, link: str
) -> None:
    page = await asked(api, "POST", f"/v1/unsubscribe/{link}", BROWSER, "de")
    assert (page.status_code, "Nichts wurde gespeichert" in page.text) == (422, True)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/problem+json, text/html;q=0.5", ""])
async def test_programs_are_told_problems_as_ever(
    api: httpx.AsyncClient, callers: Any, world: Any, link: str, accept: str
) -> None:
    world.problem(await asked(api, "GET", f"/v1/unsubscribe/{link[:-3]}abc", accept), 404, "not-found")
    world.problem(await asked(api, "POST", f"/v1/unsubscribe/{link}", accept), 422, "invalid")
    world.problem(await asked(api, "GET", "/v1/branding/logos/x", BROWSER), 404, "not-found")


async def test_page_behind_an_organizations_mail_shows_its_brand(
    api: httpx.AsyncClient, callers: Any, db: Database, link: str
) -> None:
    at = f"/v1/unsubscribe/{link}"
    before = await asked(api, "GET", at, BROWSER)
    assert '<p class="brand"><bdi>Singr</bdi></p>' in before.text
    look = BrandingInput(name="Chor {sender} & Donau", color="#0a6640")
    for logo_id in (None, new_id()):
        async with db.tenant(ORGANIZATION) as session:
            await put_branding(session, look, logo_id=logo_id, logo=picture_of(PNG) if logo_id else None)
        async with db.platform() as session:
            await session.execute(text("UPDATE brandings SET starts_at = starts_at - interval '20 s'"))
        page = (await asked(api, "GET", at, BROWSER)).text
        assert "from <bdi>Chor {sender} &amp; Donau</bdi>." in page
        assert "· Chor {sender} &amp; Donau</title>" in page
        mark = f'<img src="/v1/branding/logos/{logo_id}" width="240" height="48"' if logo_id else "<bdi>Chor {sender}"
        assert f'<p class="brand">{mark}' in page
