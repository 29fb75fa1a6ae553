"""The sign-up of the README, walked word for word: its commands, the link in the inbox, the click, the sign-in."""

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from dev_stand import Stand

from singr_dev.browser import Browser, Page
from singr_dev.inbox import MailStore
from singr_dev.stack import Runtime
from singr_dev.testing import SharedServers

README = (Path(__file__).parents[3] / "README.md").read_text()
USUAL = "localhost:3000"

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One run for all: none touches what the other does."""
    made = Stand(tmp_path_factory.mktemp("stand"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def database_of_the_developer(shared_servers: SharedServers) -> str:
    name = f"walk_{os.getpid()}"
    shared_servers.postgres.create_database(name)
    return shared_servers.postgres.url(name)


@pytest.fixture(scope="module")
def runtime(
    stand: Stand, shared_servers: SharedServers, database_of_the_developer: str, redis_url: str
) -> Iterator[Runtime]:
    """With servers that the developer has already, and that `singr-dev down` leaves running."""
    stand.environ |= {"DATABASE_URL": database_of_the_developer, "REDIS_URL": redis_url}
    child = stand.up()
    runtime, _ = stand.ready(child)
    yield runtime
    assert stand.run("-m", "singr_dev", "down").returncode == 0
    child.communicate(timeout=30)
    assert child.returncode == 0
    assert shared_servers.postgres.ready()


def commands() -> list[list[str]]:
    """The commands of the section, each as its words."""
    section = README.partition("### Sign somebody up")[2].partition("\n## ")[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    return [shlex.split(block.replace("\\\n", "")) for block in blocks]


def curl(words: list[str], api: str) -> dict[str, Any]:
    """What the command does."""
    program, silent, address, h, header, d, data = words
    assert (program, silent, h, d) == ("curl", "-sS", "-H", "-d")
    assert USUAL in address
    name, _, value = header.partition(": ")
    answer = httpx.post(address.replace(USUAL, api), content=data, headers={name: value}, timeout=20)
    assert answer.is_success, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def press(page: Page, find: str) -> None:
    """Click in the middle of what an expression finds, in a page or in the frame within."""
    await page.wait_for(f"Boolean({find}?.getClientRects().length)")
    x, y = await page.run(
        f"(() => {{ const part = {find}; part.scrollIntoView({{block: 'center'}});"
        " const box = part.getBoundingClientRect(), frame = part.ownerDocument.defaultView.frameElement;"
        " const at = frame ? frame.getBoundingClientRect() : {x: 0, y: 0};"
        " return [at.x + box.x + box.width / 2, at.y + box.y + box.height / 2]; })()"
    )
    await page.press(x, y)


def test_servers_of_the_developer_are_used(stand: Stand, runtime: Runtime, database_of_the_developer: str):
    """That they are left running is seen where the run ends."""
    assert runtime.database_url == database_of_the_developer
    assert not (stand.state.path / "pg18").exists()
    assert not (stand.state.path / "valkey9").exists()


def test_object_store_of_a_run_keeps_what_it_is_given_and_serves_its_links(stand: Stand, runtime: Runtime):
    """Here the audit trail, exported by the command that operators use."""
    with psycopg.connect(runtime.database_url) as connection:
        connection.execute(
            "INSERT INTO security_events (id, actor, kind, created_at)"
            " VALUES (uuidv7(), 'system', 'test.event', now() - interval '2 days')"
        )
    done = stand.run("-m", "singr_dev", "run", "singr-auth", "audit", "export", "--link-hours", "1")
    assert done.returncode == 0, done.stderr
    answer = httpx.get(done.stdout.strip())
    assert answer.status_code == 200
    assert answer.json()["kind"] == "test.event"
    assert httpx.get(done.stdout.strip().replace("Signature=", "Signature=0")).status_code == 403


async def test_sign_up_of_the_readme_works_as_it_is_written(stand: Stand, runtime: Runtime, browser: Browser):
    api = f"http://localhost:{httpx.URL(runtime.api).port}"
    register, sign_in, (program, *grant) = commands()
    curl(register, api)

    await asyncio.to_thread(MailStore(stand.state.inbox).wait, lambda mail: "ada@example.org" in mail.envelope_to, 20)
    page = await browser.page()
    await page.open(runtime.inbox)
    mail = "[...document.querySelectorAll('li a')].find((row) => row.innerText.includes('ada@example.org'))"
    await press(page, mail)
    await press(page, "document.querySelector('iframe')?.contentDocument?.querySelector('a[href*=\"/verify-email\"]')")
    confirm = await page.opened()
    await press(confirm, "document.querySelector('#confirm button')")
    await confirm.wait_for("!document.querySelector('#done').hidden")
    assert confirm.complaints == []

    tokens = curl(sign_in, api)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    async with httpx.AsyncClient(base_url=api, headers=bearer, timeout=20) as ada:
        assert (await ada.get("/v1/me")).json()["email"] == "ada@example.org"
        assert (await ada.get("/v1/users")).status_code != 200
        assert program == ".venv/bin/singr-dev"
        granted = await asyncio.to_thread(stand.run, "-m", "singr_dev", *grant)
        assert granted.returncode == 0, granted.stderr
        for _ in range(200):
            if (answer := await ada.get("/v1/users")).status_code == 200:
                break
            await asyncio.sleep(0.1)
        assert answer.status_code == 200, answer.text
