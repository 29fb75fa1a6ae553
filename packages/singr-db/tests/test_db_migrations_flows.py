"""Migrations of flows, down and up again, with flows under way: all lies somewhere, and nothing runs that must not."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from singr_db import downgrade, new_id, upgrade

ORGANIZATION = new_id()
PLACES = ("job_ready", "job_later", "job_keyed", "job_parked")


class Flows:
    """A database with flows in it, made and ended by hand."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)

    def all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, values).fetchall()

    def make(self, *, on_failure: str = "stop", key: str | None = None, later: bool = False) -> tuple[UUID, list[UUID]]:
        """A closed flow: a first job, one behind it, and the completion job."""
        flow, ids = new_id(), [new_id(), new_id()]
        ids.append(UUID(int=flow.int ^ 1))
        self.connection.execute(
            "INSERT INTO flows (id, organization_id, name, on_failure, total, completion_job_id)"
            " VALUES (%s, %s, 'live', %s, 3, %s)",
            [flow, ORGANIZATION, on_failure, ids[2]],
        )
        self.connection.execute("INSERT INTO job_dependencies VALUES (%s, %s, %s, %s)", [*ids[:2], flow, ORGANIZATION])
        for job_id in ids:
            self.connection.execute(
                "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, flow_id,"
                " concurrency_key, run_at) VALUES (%s, %s, 'of.flow', 'default', '{}', 1, 1, 1, %s, %s,"
                " now() + CASE WHEN %s THEN interval '1 hour' ELSE interval '0' END)",
                [job_id, ORGANIZATION, flow, key, later],
            )
        self.connection.execute("UPDATE flows SET closed_at = now() WHERE id = %s", [flow])
        return flow, ids

    def end(self, flow: UUID, job_id: UUID, status: str = "completed") -> None:
        """As a worker ends a member, in one transaction."""
        with self.connection.transaction():
            self.connection.execute("DELETE FROM job_ready WHERE id = %s", [job_id])
            self.connection.execute("UPDATE jobs SET status = %s, finished_at = now() WHERE id = %s", [status, job_id])
            self.connection.execute(
                "SELECT * FROM end_members(%s::uuid[], %s::uuid[], %s::text[], now())", [[job_id], [flow], [status]]
            )

    def lies(self, job_id: UUID, *tables: str) -> list[str]:
        return [table for table in (*PLACES, *tables) if self.all(f"SELECT FROM {table} WHERE id = %s", job_id)]

    def state(self, flow: UUID) -> str:
        return str(self.all("SELECT state FROM flows WHERE id = %s", flow)[0][0])


@pytest.fixture
def flows(empty_url: str) -> Iterator[Flows]:
    upgrade(empty_url)
    flows = Flows(empty_url)
    yield flows
    flows.connection.close()


@pytest.mark.parametrize("revision", ["0040", "0030", "0028"])
def test_flows_under_way_stay_so_through_a_downgrade_that_keeps_them(flows: Flows, revision: str) -> None:
    flow, ids = flows.make(on_failure="continue")
    before = flows.all("SELECT to_jsonb(f) FROM flows AS f"), flows.all("SELECT to_jsonb(w) FROM job_waiting AS w")
    downgrade(flows.url, revision)
    assert (
        flows.all("SELECT to_jsonb(f) FROM flows AS f"), flows.all("SELECT to_jsonb(w) FROM job_waiting AS w")
    ) == before  # fmt: skip
    flows.end(flow, ids[0], "failed")
    assert flows.lies(ids[1], "job_waiting") == ["job_ready"]
    upgrade(flows.url)
    flows.end(flow, ids[1])
    assert flows.lies(ids[2], "job_waiting") == ["job_ready"]
    flows.end(flow, ids[2])
    assert flows.state(flow) == "completed"
    assert flows.all("SELECT * FROM mend_flow(%s, now())", flow) == []


def test_what_waited_for_others_lies_where_the_release_without_flows_finds_it(flows: Flows) -> None:
    made = [flows.make(), flows.make(key="account"), flows.make(later=True)]
    downgrade(flows.url, "0027")
    wanted = ["job_ready", "job_keyed", "job_later"]
    assert [[flows.lies(job_id) for job_id in ids] for _, ids in made] == [[[place]] * 3 for place in wanted]
    assert flows.all("SELECT count(*) FROM jobs WHERE cancel_requested") == [(0,)]
    flows.connection.execute("UPDATE jobs SET status = 'completed', finished_at = now()")
    upgrade(flows.url)
    assert flows.all("SELECT DISTINCT flow_id FROM jobs") == [(None,)]
    flow, ids = flows.make()
    flows.end(flow, ids[0])
    assert flows.lies(ids[1], "job_waiting") == ["job_ready"]


def test_what_a_failed_or_cancelled_flow_held_back_is_cancelled_by_whoever_takes_it(flows: Flows) -> None:
    failed, under_failed = flows.make()
    flows.end(failed, under_failed[0], "failed")
    cancelled, under_cancelled = flows.make()
    flows.connection.execute("UPDATE flows SET cancelled_at = now() WHERE id = %s", [cancelled])
    assert [flows.state(flow) for flow in (failed, cancelled)] == ["failed", "cancelled"]
    downgrade(flows.url, "0027")
    stopped = {job_id for (job_id,) in flows.all("SELECT id FROM jobs WHERE cancel_requested")}
    assert stopped == {*under_failed[1:], *under_cancelled}
    assert all(len(flows.lies(job_id)) == 1 for job_id in stopped)
