"""A digest that this process cannot open is left for one that can: nothing of it is lost, and nobody else waits."""

from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import Sites, digests, due, made, put, rotated, rows, tell
from loguru import logger

from singr_comms.notifying import Digests
from singr_config import Secret
from singr_db import Sealer, new_id
from singr_jobs import RetryLater
from singr_observability import Metrics, build_metrics

FOREIGN = Sealer(Secret("a secret that nobody else has, of 32 bytes"))


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada."""
    crowd = await Crowd.of(bench)
    await put(crowd)
    return crowd


def elsewhere(crowd: Crowd, metrics: Metrics | None = None) -> Digests:
    """A worker whose `AUTH_SECRET` is another one."""
    return Digests(crowd.db, FOREIGN, Sites(), metrics=metrics)


async def again(crowd: Crowd) -> None:
    """Let the time have come at which what is held is tried again."""
    [(early,)] = await rows(crowd, "SELECT closes_at > now() FROM digest_windows WHERE closed_at IS NULL")
    assert early
    await due(crowd)


async def items(crowd: Crowd) -> int:
    return len(await rows(crowd, "SELECT id FROM digest_items"))


@pytest.fixture
def said() -> Any:
    """The lines of the log that tell of errors."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    yield lines
    logger.remove(sink)


async def test_a_worker_with_the_wrong_secret_leaves_digests_to_those_who_have_it(
    crowd: Crowd, said: list[str]
) -> None:
    await tell(crowd, "plums")
    await due(crowd)
    metrics = build_metrics()
    done = await elsewhere(crowd, metrics).close_due(crowd.organization)
    assert (done.closed, done.mails, done.held) == (0, 0, 1)
    assert await made(crowd) == []
    assert await items(crowd) == 1
    assert (await elsewhere(crowd).close_due(crowd.organization)).held == 0  # not at once again
    assert "AUTH_SECRET_PREVIOUS" in said[-1]
    assert "Ada" not in "".join(said)
    assert metrics.render_json()["singr_digests_held"]["values"][0]["value"] == 1
    await tell(crowd, "pears")
    await again(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    assert await made(crowd) == [("queued", None, ["plums", "pears"], 0)]


async def test_items_that_a_former_secret_sealed_are_left_to_those_who_know_it(crowd: Crowd, said: list[str]) -> None:
    await tell(crowd, "plums")
    await rotated(crowd)
    await due(crowd)
    done = await digests(crowd).close_due(crowd.organization)
    assert (done.closed, done.mails, done.held) == (0, 0, 1)
    assert await made(crowd) == []
    [line] = said
    assert "AUTH_SECRET_PREVIOUS" in line
    await rotated(crowd)
    await again(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    assert await made(crowd) == [("queued", None, ["plums"], 0)]


async def test_items_of_a_form_that_this_process_does_not_know_wait(crowd: Crowd, said: list[str]) -> None:
    await tell(crowd, "plums")
    kept = await rows(crowd, "SELECT content_sealed FROM digest_items")
    unknown = crowd.sealer.seal(b'{"kind":"plain","whom":"ada@example.org"}', context="messages.content")
    await crowd.run("UPDATE digest_items SET content_sealed = :unknown", unknown=unknown)
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).held == 1
    assert await made(crowd) == []
    assert "with the field whom, which is not known here" in said[0]
    assert "example" not in said[0]
    await crowd.run("UPDATE digest_items SET content_sealed = :kept", kept=kept[0].content_sealed)
    await again(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("queued", None, ["plums"], 0)]


async def test_whoever_can_be_opened_does_not_wait_for_those_who_cannot(crowd: Crowd) -> None:
    await put(crowd, "bob", email="bob@example.org")
    await tell(crowd, "plums")
    await rotated(crowd, of="recipient_id = (SELECT id FROM recipients WHERE external_id = 'ada')")
    await due(crowd)
    done = await digests(crowd).close_due(crowd.organization)
    assert (done.closed, done.mails, done.held) == (1, 1, 1)


async def test_after_a_day_what_can_be_opened_is_told_and_the_rest_goes_on_waiting(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await rotated(crowd)
    await tell(crowd, "pears")
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).held == 1
    await crowd.run("UPDATE digest_windows SET held_since = now() - interval '25 hours'")
    await again(crowd)
    done = await digests(crowd).close_due(crowd.organization)
    assert (done.closed, done.mails, done.held) == (0, 1, 1)
    assert await made(crowd) == [("queued", None, ["pears"], 0)]
    [(hours,)] = await rows(crowd, "SELECT extract(epoch FROM closes_at - now()) / 3600 FROM digest_windows")
    assert hours <= 25
    await rotated(crowd)
    await again(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).closed == 1
    assert [titles for _, _, titles, _ in await made(crowd)] == [["pears"], ["plums"]]


@pytest.mark.parametrize("is_key", [True, False], ids=["key", "items"])
async def test_after_a_month_it_ends_and_says_that_nobody_could_open_it(
    crowd: Crowd, said: list[str], *, is_key: bool
) -> None:
    await tell(crowd, "plums")
    if not is_key:
        await rotated(crowd)
    await crowd.run("UPDATE digest_items SET created_at = now() - interval '31 days'")
    await due(crowd)
    worker = elsewhere(crowd) if is_key else digests(crowd)
    done = await worker.close_due(crowd.organization)
    assert (done.closed, done.mails, done.held) == (1, 0, 0)
    assert await made(crowd) == [("suppressed", "unreadable", [], 0)]
    assert await items(crowd) == 0
    assert "30 days" in said[-1]


async def test_an_erased_persons_items_end(crowd: Crowd, said: list[str]) -> None:
    await tell(crowd, "plums")
    await crowd.run("UPDATE data_keys SET wrapped = NULL, destroyed_at = now()")
    await due(crowd)
    assert (await elsewhere(crowd).close_due(crowd.organization)).closed == 1
    assert await made(crowd) == [("suppressed", "no_address", [], 0)]
    assert said == []


@pytest.mark.parametrize("is_key", [True, False], ids=["key", "items"])
async def test_a_digest_asked_for_now_waits_for_whoever_can_open_it(crowd: Crowd, *, is_key: bool) -> None:
    await tell(crowd, "plums")
    if not is_key:
        await rotated(crowd)
    [(start, end)] = await rows(crowd, "SELECT created_at, now() + interval '1 hour' FROM digest_items")
    asked = {"start": start, "end": end, "organization_id": crowd.organization, "asked_by": new_id()}
    worker = elsewhere(crowd) if is_key else digests(crowd)
    with pytest.raises(RetryLater) as raised:
        await worker.send("ada", "daily", **asked)
    assert raised.value.counts is False
    assert await items(crowd) == 1
    assert await made(crowd) == []
    if not is_key:
        await rotated(crowd)
    await digests(crowd).send("ada", "daily", **asked)
    assert await made(crowd) == [("queued", None, ["plums"], 0)]
