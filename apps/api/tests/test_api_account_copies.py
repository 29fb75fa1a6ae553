"""What organizations' recipients have from an account: it follows the account, and goes with it."""

from typing import Any

import httpx
import pytest
from api_callers import ORGANIZATION
from sqlalchemy import text

from singr_auth.accounts import Accounts, ClientInfo, ConfirmNewEmail, EmailMoved
from singr_comms.notifying import FanOut
from singr_db import Database

AT = "/v1/recipients/m2"
CLIENT = ClientInfo(address="203.0.113.9", user_agent="test")


@pytest.fixture
async def owner(api_url: str, client: Any, someone: Any) -> httpx.AsyncClient:
    http: httpx.AsyncClient = client(api_url, await someone(member="customer_owner"))
    return http


async def forget_who_said_it(db: Database) -> None:
    """As the release before kept recipients."""
    async with db.platform() as session:
        await session.execute(text("UPDATE recipients SET copied = NULL"))


async def addresses(owner: httpx.AsyncClient) -> tuple[str | None, str | None]:
    told = (await owner.get(AT)).json()
    return told["name"], told["email"]


@pytest.mark.parametrize("put", ["now", "by the release before"])
@pytest.mark.parametrize("who", ["a member", "who left before"])
async def test_what_was_copied_from_an_account_goes_with_it(
    api_url: str, client: Any, someone: Any, owner: httpx.AsyncClient, world: Any, db: Database, put: str, who: str
) -> None:
    bob = await someone(member="customer_staff")
    made = (await owner.put(AT, json={"user_id": str(bob.user_id)})).json()
    assert None not in {made["name"], made["email"]}
    if put != "now":
        await forget_who_said_it(db)
    if who != "a member":
        await owner.delete(f"/v1/organizations/{ORGANIZATION}/members/{bob.user_id}", headers=world.key())
        assert await addresses(owner) == (made["name"], made["email"])
    assert (await client(api_url, bob).delete("/v1/me")).status_code == 204
    assert await addresses(owner) == (None, None)
    assert (await owner.get("/v1/recipients", params={"address": bob.email})).json()["items"] == []
    asked = {
        "type": "plain",
        "channels": ["email"],
        "data": {"title": "New", "text": "Come."},
        "to": [{"recipient": "m2"}],
    }
    told = await owner.post("/v1/notifications", json=asked, headers=world.key())
    assert told.status_code == 202, told.text
    await FanOut(db).run(told.json()["id"], organization_id=ORGANIZATION, turn=1)
    [counted] = (await owner.get(f"/v1/notifications/{told.json()['id']}")).json()["counts"]
    assert (counted["status"], counted["reason"]) == ("suppressed", "no_address")


async def test_what_the_organization_gave_itself_stays_when_the_account_ends(
    api_url: str, client: Any, someone: Any, owner: httpx.AsyncClient
) -> None:
    bob = await someone(member="customer_staff")
    given = {"user_id": str(bob.user_id), "email": "desk@example.org", "phone": "+15555550100"}
    assert (await owner.put(AT, json=given)).status_code == 201
    assert (await client(api_url, bob).delete("/v1/me")).status_code == 204
    kept = (await owner.get(AT)).json()
    assert (kept["name"], kept["email"], kept["phone"]) == (None, "d***@example.org", "+1******0100")


@pytest.mark.parametrize("put", ["now", "by the release before"])
async def test_what_was_copied_follows_the_account_and_what_was_given_does_not(
    api_url: str, client: Any, someone: Any, owner: httpx.AsyncClient, accounts: Accounts, db: Database, put: str
) -> None:
    bob = await someone(member="customer_staff")
    account = {"user_id": str(bob.user_id)}
    await owner.put(AT, json=account)
    if put != "now":
        await forget_who_said_it(db)
    await accounts.email_change.request(bob.user_id, bob.session_id, "new@example.net", CLIENT)
    assert (await addresses(owner))[1] != "n***@example.net", "nobody has confirmed it"
    notices: Any = accounts.notifier
    [asked] = [one for one in notices.notices if isinstance(one, ConfirmNewEmail)]
    await accounts.email_change.confirm(bob.user_id, bob.session_id, asked.code.reveal(), CLIENT)
    assert (await addresses(owner))[1] == "n***@example.net"
    for address, found in (("new@example.net", 1), (bob.email, 0)):
        assert len((await owner.get("/v1/recipients", params={"address": address})).json()["items"]) == found
    assert (await client(api_url, bob).patch("/v1/me", json={"name": "Robert"})).status_code == 200
    assert await addresses(owner) == ("Robert", "n***@example.net")
    [moved] = [one for one in notices.notices if isinstance(one, EmailMoved)]
    await accounts.email_undo.undo(moved.token, CLIENT)
    assert len((await owner.get("/v1/recipients", params={"address": bob.email})).json()["items"]) == 1
    await owner.put(AT, json=account | {"name": "Bobby", "email": "desk@example.org"})
    await accounts.profiles.rename(bob.user_id, "Rob", CLIENT)
    assert await addresses(owner) == ("Bobby", "d***@example.org")


async def test_who_has_left_is_written_to_as_they_were_known_then(
    someone: Any, owner: httpx.AsyncClient, accounts: Accounts, world: Any
) -> None:
    bob = await someone(member="customer_staff")
    await owner.put(AT, json={"user_id": str(bob.user_id)})
    before = await addresses(owner)
    await owner.delete(f"/v1/organizations/{ORGANIZATION}/members/{bob.user_id}", headers=world.key())
    await accounts.profiles.rename(bob.user_id, "Robert", CLIENT)
    assert await addresses(owner) == before
