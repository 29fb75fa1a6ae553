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
