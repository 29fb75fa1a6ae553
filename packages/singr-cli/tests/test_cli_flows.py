"""`singr flows` against the real API."""

import json
from pathlib import Path
from typing import Any

JOB = {"type": "sms.send", "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}}}


def test_a_flow_is_made_looked_at_and_cancelled(singr: Any, tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"name": "tonight", "jobs": [{**JOB, "ref": "doors"}, {**JOB, "after": ["doors"]}]}))
    made = singr("flows", "create", "--file", str(file), "--on-failure", "continue").one
    assert (made["name"], made["on_failure"], made["total"]) == ("tonight", "continue", 2)
    assert singr("flows", "list", "--state", "running").one["id"] == made["id"]
    assert [len(member["after"]) for member in singr("flows", "graph", made["id"]).items] == [0, 1]
    assert singr("flows", "wait", made["id"], "--within", "0").code == 5
    assert singr("flows", "cancel", made["id"], "--yes").code == 0
    ended = singr("flows", "wait", made["id"])
    assert (ended.code, ended.items[0]["state"]) == (1, "cancelled")


def test_jobs_are_added_to_an_open_flow_until_it_is_closed(singr: Any, tmp_path: Path) -> None:
    made = singr(
        "flows", "create", "tonight", "--close", "false", "--jobs", json.dumps([JOB]), "--then", json.dumps(JOB)
    )
    flow, first = made.one["id"], made.one["jobs"][0]["id"]
    assert (made.one["state"], made.one["total"]) == ("open", 2)
    added = singr("flows", "add", flow, "--jobs", json.dumps([{**JOB, "ref": "b", "after": [first]}])).one
    assert (added["total"], [job["ref"] for job in added["jobs"]]) == (3, ["b"])
    file = tmp_path / "last.json"
    file.write_text(json.dumps({"jobs": [JOB]}))
    assert singr("flows", "add", flow, "--file", str(file), "--close").one["state"] == "running"
    late = singr("flows", "add", flow, "--jobs", json.dumps([JOB]))
    assert (late.code, "closed" in late.err) == (1, True)
    assert singr("flows", "add", flow).code == 2
    assert singr("flows", "add", made.one["jobs"][0]["id"], "--jobs", json.dumps([JOB])).code == 4


def test_a_flow_is_closed(singr: Any) -> None:
    made = singr("flows", "create", "tonight", "--close", "false").one
    assert singr("flows", "close", made["id"]).one["state"] == "completed"
    assert singr("flows", "wait", made["id"]).code == 0


def test_waiting_for_a_flow_ends_in_time(singr: Any) -> None:
    flow = singr("flows", "create", "tonight", "--jobs", json.dumps([JOB])).one["id"]
    waited = singr("flows", "wait", flow, "--timeout", "0.5")
    assert (waited.code, waited.out, "Not ended in 0.5 s" in waited.err) == (5, "", True)
