"""Memory and PostgreSQL alike: an organization's session has no flows and schedules but its own."""

import pytest
from alike_support import Store, ask
from jobs_support import ORGANIZATION, Steer

from singr_db import new_id
from singr_jobs import Flow, FlowNotFoundError, cancel_flow, close_flow, enqueue, list_flows, read_flow
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
