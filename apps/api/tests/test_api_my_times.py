"""When people are not to be disturbed and when their digests come, set by themselves, over HTTP."""

from typing import Any

from api_callers import ORGANIZATION, OTHER
from sqlalchemy import insert, text

from singr_db import Database, new_id
from singr_db.tables import DigestWindow, Recipient

PATH = "/v1/me/times"
NIGHT = {
    "time_zone": "Asia/Kathmandu",
    "quiet_hours": {"from": "22:00", "to": "07:30", "days": [1, 5]},
    "digest": {"at": "18:00", "weekday": 5},
}


async def test_people_set_their_own_times_and_digests_move_with_them(
    api_url: str, client: Any, someone: Any, db: Database
) -> None:
    ada = await someone()
    me = client(api_url, ada)
    known = {"id": new_id(), "organization_id": ORGANIZATION, "external_id": "u-17", "key_id": new_id()}
    async with db.platform() as session:
        await session.execute(insert(Recipient).values(user_id=ada.user_id, **known))
        soon = await session.scalar(text("SELECT now() + interval '400 days'"))
        window = {"recipient_id": known["id"], "type": "plain", "period": "weekly", "closes_at": soon}
        await session.execute(insert(DigestWindow).values(organization_id=ORGANIZATION, **window))
    mine = {"organization_id": str(ORGANIZATION)}
    nothing = {"time_zone": None, "quiet_hours": None, "digest": None}
    assert (await me.get(PATH, params=mine)).json() == nothing
    assert (await me.put(PATH, params=mine, json=NIGHT)).json() == NIGHT == (await me.get(PATH, params=mine)).json()
    async with db.platform() as session:
        at = text("SELECT to_char(closes_at AT TIME ZONE 'Asia/Kathmandu', 'ID HH24:MI') FROM digest_windows")
        assert await session.scalar(at) == "5 18:00"
    wrong = await me.put(PATH, params=mine, json=NIGHT | {"time_zone": "Mars/Olympus"})
    assert wrong.status_code == 422
    assert [fault["field"] for fault in wrong.json()["errors"]] == ["time_zone"]
    assert (await me.get(PATH, params=mine)).json() == NIGHT
    assert (await me.put(PATH, params=mine, json={})).json() == nothing
    assert (await me.get(PATH, params={"organization_id": str(OTHER)})).status_code == 404
