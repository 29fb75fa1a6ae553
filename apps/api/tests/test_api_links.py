"""The pages behind links in messages, by HTTP: whole, strict, and without any effect of their own."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from singr_api.wiring.routes import policy_table
from singr_auth.accounts import Accounts
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_comms import Links
from singr_db import Database

POLICIES = policy_table().policies

PAGES = ["/verify-email", "/change-email", "/undo-email-change", "/reset-password", "/auth/magic", "/invitation"]
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """What a page is made of; refuses what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.mark.parametrize("path", PAGES)
async def test_page_runs_its_own_script_only_and_leaks_its_address_nowhere(
    standing_url: str, client: Any, path: str
) -> None:
    answer = await client(standing_url).get(path, params={"token": "sev_anything"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    assert "sev_anything" not in answer.text  # the script reads it: nothing that is sent is ever put into the page
    page = Page(answer.text)
    assert [script.get("src") for script in page.all("script")] == ["/links/page.js"]
    assert not page.all("style")
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}


@pytest.mark.parametrize("path", PAGES)
async def test_every_end_of_a_page_leads_on_to_the_app(
    standing_url: str, client: Any, path: str, settings: Any
) -> None:
    text = (await client(standing_url).get(path)).text
    app = settings.app.url_customer if path == "/invitation" else settings.app.url_web
    ways = [link["href"] for link in Page(text).all("a") if link.get("class") == "way" and link.get("id") != "new-link"]
    assert set(ways) == {app}
    assert len(ways) == text.count("<section") + 1  # each that a page ends with, and where a link is of no use
    assert "You can close this page" not in text


@pytest.mark.parametrize("path", ["/verify-email", "/reset-password", "/auth/magic"])
async def test_page_of_a_link_that_anybody_may_ask_for_offers_a_new_one(
    standing_url: str, client: Any, path: str
) -> None:
    page = Page((await client(standing_url).get(path)).text)
    [again] = [link for link in page.all("a") if link.get("id") == "new-link"]
    assert ("POST", again["data-path"]) in {(policy.method, policy.path) for policy in POLICIES}


@pytest.mark.parametrize("path", PAGES)
async def test_page_can_be_read_and_filled_in_without_seeing_it(standing_url: str, client: Any, path: str) -> None:
    text = (await client(standing_url).get(path)).text
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.get("for") for label in page.all("label")}
    for field in [*page.all("input"), *page.all("select")]:
        assert field["id"] in labelled or field["type"] == "checkbox", field
    assert {attributes.get("role") for attributes in page.all("p")} >= {"status", "alert"}
    assert page.all("noscript")
    for password in [field for field in page.all("input") if field.get("type") == "password"]:
        assert password["autocomplete"] in {"new-password", "current-password"}


async def test_script_asks_only_this_address_and_only_routes_that_there_are(standing_url: str, client: Any) -> None:
    script = (await client(standing_url).get("/links/page.js")).text
    style = (await client(standing_url).get("/links/page.css")).text
    for content in (script, style):
        assert "http://" not in content
        assert "https://" not in content
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"):
        assert unsafe not in script
    asked = set(re.findall(r'post\(\s*"(/[^"]+)"', script))
    assert len(asked) == 14
    routes = {policy.path for policy in POLICIES if policy.method == "POST"}
    assert asked <= routes, asked - routes


async def test_every_part_of_a_page_that_its_script_names_is_there(standing_url: str, client: Any) -> None:
    caller = client(standing_url)
    script = (await caller.get("/links/page.js")).text
    texts = [(await caller.get(path)).text for path in PAGES]
    ids = {found for text in texts for found in re.findall(r'id="([^"]+)"', text)}
    named = set(re.findall(r'(?:\$|show)\("([^"]+)"\)', script))
    assert named - ids == set()


async def test_links_in_messages_lead_to_a_page(standing_url: str, client: Any) -> None:
    links = Links(SimpleNamespace(url_web=standing_url, url_customer=standing_url))
    changes = (links.change_email, links.undo_email_change)
    for link in (links.verify_email, *changes, links.reset_password, links.magic_link, links.invitation):
        answer = await client(standing_url).get(link("sev_token"))
        assert answer.status_code == 200
        assert 'src="/links/page.js"' in answer.text


async def test_opening_a_page_uses_no_token_up(
    standing_url: str, client: Any, db: Database, accounts: Accounts, someone: Any
) -> None:
    person = await someone()
    one_time = OneTimeTokens(accounts.sealer)
    async with db.platform() as session:
        tokens = [
            await one_time.issue(session, kind, person.user_id, ttl=900)
            for kind in ("email_verification", "email_change", "password_reset", "magic_link")
        ]
    rows = text("SELECT t::text FROM one_time_tokens t ORDER BY id")
    async with db.platform() as session:
        before = (await session.scalars(rows)).all()
    assert len(before) == len(tokens)
    for path in PAGES:
        for token in tokens:
            for method in ("GET", "HEAD"):
                answer = await client(standing_url).request(method, path, params={"token": token.secret.reveal()})
                assert answer.status_code == 200
        assert (await client(standing_url).post(path)).status_code == 405
    async with db.platform() as session:
        assert (await session.scalars(rows)).all() == before
