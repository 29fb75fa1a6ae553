"""`singr bulk` against the real API."""

import json
from typing import Any

import pytest

PAYLOAD = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})


@pytest.fixture
def jobs(singr: Any) -> list[str]:
    return [singr("jobs", "create", "sms.send", "--payload", PAYLOAD).one["id"] for _ in range(2)]


def test_a_dry_run_counts_and_does_nothing(singr: Any, jobs: list[str]) -> None:
    seen = singr("bulk", "cancel", "--type", "sms.send", "--dry-run").one
    assert (seen["matching"], sorted(one["id"] for one in seen["examples"])) == (2, sorted(jobs))
    assert singr("bulk", "list").items == []


def test_what_is_asked_for_is_listed_followed_and_stopped(singr: Any, jobs: list[str], sql: Any) -> None:
    asked = singr("bulk", "cancel", "--type", "sms.send", "--rate-per-minute", "60", "--yes").one
    assert singr("bulk", "list").one["id"] == singr("bulk", "show", asked["id"]).one["id"] == asked["id"]
    assert singr("bulk", "wait", asked["id"], "--within", "0").code == 5
    assert singr("bulk", "stop", asked["id"]).one["state"] == "stopped"
    stopped = singr("bulk", "wait", asked["id"])
    assert (stopped.code, "stopped" in stopped.err) == (1, True)
    for skipped, code in ((0, 0), (1, 6)):
        sql(f"UPDATE bulk_actions SET state = 'done', done = 1, skipped = {skipped}")
        assert singr("bulk", "wait", asked["id"]).code == code


def test_what_ends_work_is_not_done_without_a_yes(singr: Any, jobs: list[str]) -> None:
    assert singr("bulk", "cancel", "--type", "sms.send").code == 2
    assert singr("bulk", "list").items == []


def test_a_filter_that_is_too_wide_is_refused(singr: Any, jobs: list[str]) -> None:
    outcome = singr("bulk", "cancel", "--created-after", "2026-01-01T00:00:00Z", "--yes")
    assert (outcome.code, singr("bulk", "list").items) == (2, [])
