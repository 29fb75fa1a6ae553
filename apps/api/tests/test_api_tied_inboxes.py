"""An account that an organization links a recipient to reads what came since, and before only if it was for it."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from api_inboxes import PATH, WHOSE, Mailbox, counts_of, marked, titles
from sqlalchemy import text

from singr_config import Settings
from singr_db import Database, Sealer

AT = "/v1/recipients/m2"


@pytest.fixture
async def owner(api_url: str, client: Any, someone: Any) -> httpx.AsyncClient:
    http: httpx.AsyncClient = client(api_url, await someone(member="customer_owner"))
    return http


@pytest.mark.parametrize("is_theirs", [False, True], ids=["somebody's", "theirs"])
async def test_linked_account_reads_what_came_before_only_to_its_own_address(
    api_url: str,
    client: Any,
    someone: Any,
    owner: httpx.AsyncClient,
    db: Database,
    settings: Settings,
    *,
    is_theirs: bool,
) -> None:
    bob = await someone(member="customer_staff")
    me, mailbox = client(api_url, bob), Mailbox(db, Sealer(settings.auth.secret))
    async with db.platform() as session:
        own = await session.scalar(text("SELECT email FROM users WHERE id = :id"), {"id": bob.user_id})
    made = await owner.put(AT, json={"email": own if is_theirs else "mary@example.org"})
    assert made.status_code == 201, made.text
    await mailbox.put(UUID(made.json()["id"]), "Before")
    assert (await owner.put(AT, json={"user_id": str(bob.user_id)})).json()["id"] == made.json()["id"]
    await mailbox.put(UUID(made.json()["id"]), "Since")
    shown = ["Since", "Before"] if is_theirs else ["Since"]
    assert await titles(me, "open") == shown
    assert await counts_of(me) == (len(shown), len(shown))
    page = (await me.get(PATH, params=WHOSE)).json()
    async with me.stream("GET", f"{PATH}/stream", params=WHOSE | {"after": page["position"] - 1}) as stream:
        lines = []
        async for line in stream.aiter_lines():
            lines.append(line)
            if '"unread"' in line:
                break
    told = "".join(lines)
    assert "Since" in told
    assert "Before" not in told
    assert await marked(me, "archived", before=page["items"][0]["created_at"]) == (0, 0)
    assert await titles(me, "archived") == shown


async def test_whoever_follows_from_before_the_link_reads_anew(
    api_url: str, client: Any, someone: Any, owner: httpx.AsyncClient, db: Database, settings: Settings
) -> None:
    bob = await someone(member="customer_staff")
    me, mailbox = client(api_url, bob), Mailbox(db, Sealer(settings.auth.secret))
    account = {"user_id": str(bob.user_id)}
    recipient = UUID((await owner.put(AT, json=account)).json()["id"])
    await mailbox.put(recipient, "His")
    position = (await me.get(PATH, params=WHOSE)).json()["position"]
    assert (await owner.put(AT, json={})).status_code == 200
    await mailbox.put(recipient, "Whose?")
    assert (await owner.put(AT, json=account)).status_code == 200
    assert await titles(me, "open") == []
    async with me.stream("GET", f"{PATH}/stream", params=WHOSE | {"after": position}) as stream:
        async for line in stream.aiter_lines():
            assert "Whose?" not in line
            if line == "event: reload":
                break
