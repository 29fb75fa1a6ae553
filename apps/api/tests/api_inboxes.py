"""People's inboxes over HTTP, as tests fill and read them."""

from typing import Any
from uuid import UUID

import httpx
from api_callers import ORGANIZATION
from sqlalchemy import insert

from singr_comms import PlainPush
from singr_comms.people.inbox import InboxMessage, add_to_inboxes
from singr_db import Database, Sealer, new_id
from singr_db.tables import DataKey, Recipient

PATH = "/v1/me/inbox"
WHOSE = {"organization_id": str(ORGANIZATION)}


class Mailbox:
    """Puts things into people's inboxes."""

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self.db = db
        self.sealer = sealer

    async def reach(self, user_id: UUID, organization: UUID = ORGANIZATION) -> UUID:
        """Let an organization reach somebody; by which recipient."""
        recipient_id, key_id = new_id(), new_id()
        async with self.db.platform() as session:
            await session.execute(insert(DataKey).values(id=key_id, organization_id=organization, wrapped=b"w"))
            row = {"id": recipient_id, "organization_id": organization, "external_id": str(user_id), "key_id": key_id}
            await session.execute(insert(Recipient).values(user_id=user_id, **row))
        return recipient_id

    async def put(self, recipient_id: UUID, *titles: str, organization: UUID = ORGANIZATION) -> None:
        """Put one item of each title, each in a transaction of its own."""
        for title in titles:
            push = PlainPush(title=title, text=f"{title} it is.", link="https://app.example/queue")
            async with self.db.tenant(organization) as session:
                message = InboxMessage(recipient_id, push)
                assert await add_to_inboxes(session, self.sealer, [message], organization_id=organization) == 1


async def counts_of(http: httpx.AsyncClient) -> tuple[int, int]:
    told = (await http.get(f"{PATH}/counts", params=WHOSE)).json()
    return told["unread"], told["unseen"]


async def marked(http: httpx.AsyncClient, mark: str, **more: Any) -> tuple[int, int]:
    answer = await http.post(f"{PATH}/mark", params=WHOSE, json={"mark": mark} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()["unread"], answer.json()["unseen"]


async def titles(http: httpx.AsyncClient, state: str) -> list[str]:
    page = (await http.get(PATH, params=WHOSE | {"state": state})).json()
    return [item["title"] for item in page["items"]]
