"""Memory and PostgreSQL alike: an organization's session has no flows and schedules but its own."""

import pytest
from alike_support import Store, ask, order, put
from jobs_support import ORGANIZATION, Steer

from singr_db import new_id
from singr_jobs import (
    BulkActionNotFoundError,
    BulkFilter,
    BulkRequest,
    Flow,
    FlowNotFoundError,
    Queue,
    act_in_bulk,
    cancel_flow,
    close_flow,
    enqueue,
    list_bulk,
    list_flows,
    preview_bulk,
    read_bulk,
    read_flow,
)
from singr_jobs.queues import QueueSettingError, pause_queue, resume_queue, set_queue
from singr_jobs.schedules import (
    Every,
    ScheduleError,
    ScheduleNotFoundError,
    delete_schedule,
    list_fires,
    list_schedules,
    pause_schedule,
    read_schedule,
    resume_schedule,
    run_schedule_now,
    schedule,
)


async def test_flows_of_others_are_not_there_whosever_they_are_called(store: Store) -> None:
    flow, other = Flow("theirs", stays_open=True), new_id()
    flow.add(Steer("a"))
    await ask(store, enqueue, flow, organization_id=ORGANIZATION)
    for act in (read_flow, close_flow, cancel_flow):
        for called in (ORGANIZATION, other):
            with pytest.raises(FlowNotFoundError):
                await ask(store, act, flow.id, whose=other, organization_id=called)
    assert (await ask(store, list_flows, whose=other, organization_id=ORGANIZATION)).items == ()
    assert (await ask(store, read_flow, flow.id, organization_id=ORGANIZATION)).state == "open"
    [kept] = (await ask(store, list_flows, organization_id=ORGANIZATION)).items
    assert kept.id == flow.id


@pytest.mark.usefixtures("organization")
async def test_schedules_of_others_are_not_there_whosever_they_are_called(store: Store) -> None:
    other = new_id()
    made = await ask(store, schedule, "nightly", Every(60), Steer("a"), organization_id=ORGANIZATION)
    for act in (read_schedule, pause_schedule, resume_schedule, run_schedule_now, delete_schedule, list_fires):
        for which in (made.id,) if act is list_fires else (made.id, "nightly"):
            with pytest.raises(ScheduleNotFoundError):
                await ask(store, act, which, whose=other, organization_id=ORGANIZATION)
    for name in ("nightly", "new"):
        with pytest.raises(ScheduleError, match="organization_id must be that of the session"):
            await ask(store, schedule, name, Every(90), Steer("b"), whose=other, organization_id=ORGANIZATION)
    assert (await ask(store, list_schedules, whose=other, organization_id=ORGANIZATION)).items == ()
    assert (await ask(store, list_schedules, organization_id=ORGANIZATION)).items == (made,)


async def test_bulk_actions_of_others_are_neither_looked_at_nor_there(store: Store) -> None:
    mine, other = await put(store), new_id()
    which = {"action": "cancel", "which": BulkFilter(type="test.steer")}
    for whose, called, found in ((ORGANIZATION, ORGANIZATION, [mine]), (ORGANIZATION, None, [mine]), (other, None, [])):
        told = await ask(store, preview_bulk, BulkRequest(organization_id=called, **which), whose=whose)
        assert [one.id for one in told.examples] == found
    told = await ask(store, preview_bulk, BulkRequest(organization_id=ORGANIZATION, **which), whose=other)
    assert (told.matching, told.examples) == (0, ())
    asked = await order(store, act_in_bulk, BulkRequest(organization_id=ORGANIZATION, **which))
    for called in (ORGANIZATION, other, None):
        with pytest.raises(BulkActionNotFoundError):
            await ask(store, read_bulk, asked.id, whose=other, organization_id=called)
        assert (await ask(store, list_bulk, whose=other, organization_id=called, limit=10)).items == ()
    assert (await ask(store, list_bulk, organization_id=other, limit=10)).items == ()
    assert (await ask(store, read_bulk, asked.id, organization_id=None)).id == asked.id


@pytest.mark.usefixtures("organization")
async def test_nothing_is_set_or_scheduled_for_an_organization_that_is_none(store: Store) -> None:
    nobody = new_id()
    words = f"organization_id must be the id of an organization that exists, not UUID.'{nobody}'"
    for act, given in ((set_queue, {"weight": 2}), (pause_queue, {})):
        with pytest.raises(QueueSettingError, match=words):
            await order(store, act, Queue.SMS, organization_id=nobody, **given)
    assert (await order(store, resume_queue, Queue.SMS, organization_id=nobody)).organizations == ()
    with pytest.raises(QueueSettingError, match="organization_id must be a UUID, not 'x'"):
        await order(store, set_queue, Queue.SMS, organization_id="x", weight=2)
    with pytest.raises(ScheduleError, match=words):
        await order(store, schedule, "nightly", Every(60), Steer("a"), organization_id=nobody)
    [ours] = (await order(store, set_queue, Queue.SMS, organization_id=ORGANIZATION, weight=2)).organizations
    assert ours.weight == 2
