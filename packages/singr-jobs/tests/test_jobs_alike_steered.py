"""Memory and PostgreSQL alike: what holds jobs back is set, counted, and told in the same words."""

from datetime import timedelta
from typing import Any

import pytest
from alike_support import Store, ask, order, put
from jobs_support import ORGANIZATION, Steer

from singr_config.clock import clock
from singr_db import new_id
from singr_db.operation_log import ReasonError
from singr_jobs import (
    Debounce,
    Flow,
    JobNotFoundError,
    LimitsUnknownError,
    Queue,
    Rate,
    cancel_job,
    close_flow,
    enqueue,
    explain,
    list_limits,
    set_limits,
)
from singr_jobs.queues import (
    QueueSettingError,
    list_queues,
    list_workers,
    pause_queue,
    queue_health,
    queues_health,
    read_queue,
    read_queue_history,
    read_queue_settings,
    resume_queue,
    set_queue,
)

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


async def test_why_a_job_waits_or_how_it_ended_is_said_in_words(served: Store) -> None:
    first, second = await put(served, "a"), await put(served, "b")
    told = [await ask(served, explain, job_id) for job_id in (first, second)]
    assert [(one.state, one.reason) for one in told] == [("pending", "next"), ("pending", "turn")]
    assert told[1].in_words == "Waits its turn: 1 other job of its organization is before it in the queue default."
    assert told[1].would_start.workers_that_know_the_type == 1
    later = await ask(served, explain, await put(served, run_at=clock.now() + timedelta(hours=1)))
    assert (later.state, later.reason) == ("scheduled", "not_due")
    quiet = await put(served, unique_key="k", debounce=Debounce(60, 600))
    apart = await ask(served, explain, quiet)
    assert (apart.reason, "each of which takes its place and is put off, until " in apart.in_words) == (
        "debounced",
        True,
    )
    await order(served, pause_queue, Queue.DEFAULT, reason="it is late.", by="ada")
    paused = await ask(served, explain, first)
    assert (paused.reason, paused.would_start.paused) == ("queue_paused", True)
    assert "by ada (it is late): it waits until that is resumed." in paused.in_words
    await ask(served, cancel_job, first)
    ended = await ask(served, explain, first)
    assert (ended.state, ended.reason, ended.would_start) == ("cancelled", "cancelled", None)
    with pytest.raises(JobNotFoundError):
        await ask(served, explain, second, whose=new_id())


async def test_whom_a_member_waits_for_is_said_in_words(served: Store) -> None:
    flow = Flow("chain", stays_open=True)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await ask(served, enqueue, flow, **OURS)
    told = await ask(served, explain, second.id)
    words = f"Waits for 1 other members of the flow 'chain' ({flow.id}) to end: {first.id}."
    assert (told.state, told.reason, told.in_words) == ("waiting", "flow_members", words)
    told = await ask(served, explain, last.id)
    assert (told.reason, "with 2 others that have not ended" in told.in_words) == ("flow_open", True)
    await ask(served, close_flow, flow.id, **OURS)
    assert "of which 2 others have not ended" in (await ask(served, explain, last.id)).in_words


async def test_queues_are_counted_and_their_health_told(served: Store) -> None:
    await put(served, "a")
    await put(served, "b", run_at=clock.now() + timedelta(hours=1))
    flow = Flow("chain")
    flow.then(Steer("second"), after=flow.add(Steer("first")))
    await ask(served, enqueue, flow, **OURS)
    told = await order(served, read_queue, Queue.DEFAULT)
    assert (told.jobs, told.workers) == ({"waiting": 2, "delayed": 1, "active": 0, "dependent": 1}, 1)
    assert told.oldest_due_at is not None
    assert told.oldest_due_at <= told.counted_at
    assert (await order(served, queue_health, Queue.DEFAULT)).healthy
    await order(served, pause_queue, Queue.DEFAULT, reason="late")
    health = await order(served, queues_health)
    assert [one.queue for one in health.queues if not one.healthy] == ["default"]
    assert [one.code for one in (await order(served, queue_health, "default")).problems] == ["paused"]
    assert {one.queue for one in await order(served, list_queues)} >= set(Queue.declared())
    [worker] = await order(served, list_workers)
    assert ("default" in worker.queues, "test.steer" in worker.types, worker.silent) == (True, True, False)


async def test_what_is_set_for_a_queue_is_kept_or_refused(served: Store) -> None:
    told = await order(served, set_queue, Queue.SMS, concurrency=5, concurrency_per_organization=2, rate=Rate(10, 1))
    assert (told.concurrency, told.concurrency_per_organization, told.rate) == (5, 2, Rate(10, 1))
    assert (await order(served, set_queue, Queue.SMS, concurrency=None)).concurrency is None
    with pytest.raises(QueueSettingError, match="concurrency"):
        await order(served, set_queue, Queue.SMS, concurrency=0)
    with pytest.raises(ReasonError):
        await order(served, pause_queue, Queue.SMS, reason="two\nlines")
    first = await order(served, pause_queue, Queue.SMS, reason="first", by="ada")
    assert await order(served, pause_queue, Queue.SMS, reason="second", by="bob") == first
    assert (await order(served, resume_queue, Queue.SMS)).paused is None
    assert (await order(served, read_queue_settings, Queue.SMS)).rate == Rate(10, 1)


async def test_limits_by_key_are_set_in_place_of_those_declared(served: Store) -> None:
    declared = {one.type: one for one in await order(served, list_limits)}["test.charge"]
    assert (declared.declared_concurrency, declared.concurrency) == (1, None)
    told = await order(served, set_limits, "test.charge", concurrency=0, rate=Rate(2, 60), reason="the bank asks")
    assert (told.concurrency, told.rate, told.declared_concurrency) == (0, Rate(2, 60), 1)
    told = await order(served, set_limits, "test.charge")
    assert (told.concurrency, told.rate) == (None, None)
    with pytest.raises(LimitsUnknownError):
        await order(served, set_limits, "test.steer", concurrency=1)
    with pytest.raises(ValueError, match="concurrency must be 0 to"):
        await order(served, set_limits, "test.charge", concurrency=-1)
    with pytest.raises(ReasonError):
        await order(served, set_limits, "test.charge", concurrency=1, reason="")


async def test_what_was_done_is_apartby_the_minute_and_by_type(store: Store) -> None:
    await put(store, "a")
    await put(store, "b", "fail", "ok")
    await put(store, "c", "permanent")
    await store.work()
    told = await order(store, read_queue_history, Queue.DEFAULT, minutes=3)
    sums = [sum(getattr(one, name) for one in told.minutes) for name in ("taken", "completed", "retried", "failed")]
    assert (sums, len(told.minutes)) == ([4, 2, 1, 1], 3)
    assert [(one.type, one.taken) for one in told.types] == [("test.steer", 4)]
    recent = (await order(store, read_queue, Queue.DEFAULT)).recent
    assert (recent.taken, recent.completed, recent.failed) == (4, 2, 1)
