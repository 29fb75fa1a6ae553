"""Jobs can be read whatever a role of another service has stored with them."""

from typing import Any

from sqlalchemy import text

DEEP = "[" * 2000 + "]" * 2000


async def test_a_job_with_a_payload_too_deep_to_read_hides_no_job(
    callers: Any, client: Any, api_url: str, world: Any
) -> None:
    api = client(api_url, callers.own)
    made = (await api.post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    async with world.db.platform() as session:
        change = "UPDATE jobs SET payload = CAST(:d AS jsonb), result = CAST(:d AS jsonb), error = CAST(:d AS jsonb)"
        await session.execute(text(change), {"d": DEEP})
    listed = await api.get("/v1/jobs")
    assert [job["id"] for job in listed.json()["items"]] == [made["id"]], listed.text
    read = await api.get(f"/v1/jobs/{made['id']}")
    assert read.status_code == 200
    assert list(read.json()["payload"]) == list(read.json()["result"]) == ["unreadable"]
    assert read.json()["error"]["code"] == "failed"
