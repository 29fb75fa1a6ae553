"""What a caller sorts its jobs by is kept with them."""

from typing import Any

WRONG = {
    "labels": [[f"l{n}" for n in range(11)], "eu", None],
    "labels[0]": [[""], ["x" * 65], ["two\nlines"], ["\u202eback"], [7]],
    "labels[2]": [["eu", "us", "eu"]],
}
ASKED = {
    "label": [[f"l{n}" for n in range(11)]],
    "label[0]": [[""], ["x" * 65], ["two\nlines"]],
    "label[1]": [["eu", "eu"]],
}


async def test_a_job_is_answered_with_its_labels_each_time(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller, key = client(standing_door_url, callers.own), world.key()
    asked = world.sms(labels=["import", "eu"])
    made = await caller.post("/v1/jobs", json=asked, headers=key)
    assert (made.status_code, made.json()["labels"]) == (202, ["import", "eu"])
    assert (await caller.post("/v1/jobs", json=asked, headers=key)).content == made.content
    assert (await caller.get(f"/v1/jobs/{made.json()['id']}")).json()["labels"] == ["import", "eu"]
    await caller.post("/v1/jobs", json=world.sms(labels=["import"]), headers=world.key())
    for labels, count in ((["import"], 2), (["eu"], 1), (["eu", "import"], 1), (["eu", "us"], 0)):
        assert len((await caller.get("/v1/jobs", params={"label": labels})).json()["items"]) == count
    stranger = client(standing_door_url, callers.other)
    assert (await stranger.get("/v1/jobs", params={"label": "import"})).json()["items"] == []


async def test_labels_that_cannot_be_are_refused_by_their_place(
    standing_door_url: str, callers: Any, client: Any, world: Any
) -> None:
    caller = client(standing_door_url, callers.own)
    for field, lists in WRONG.items():
        for labels in lists:
            refused = await caller.post("/v1/jobs", json=world.sms(labels=labels), headers=world.key())
            assert world.fields(world.problem(refused, 422, "invalid")).keys() == {field}
    for field, lists in ASKED.items():
        for labels in lists:
            refused = await caller.get("/v1/jobs", params={"label": labels})
            assert world.fields(world.problem(refused, 422, "invalid")).keys() == {field}
