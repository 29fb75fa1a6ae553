"""`singr schedules` against the real API."""

import json
from typing import Any

PAYLOAD = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})


def nightly(singr: Any) -> dict[str, Any]:
    made: dict[str, Any] = singr(
        "schedules", "create", "nightly", "--type", "sms.send", "--payload", PAYLOAD, "--cron", "30 2 * * 1-5",
        "--time-zone", "Europe/Berlin", "--overlap", "queue", "--attempts", "2",
    ).one  # fmt: skip
    return made


def test_a_schedule_is_made_paused_resumed_run_and_deleted(singr: Any) -> None:
    made = nightly(singr)
    assert (made["in_words"], made["overlap"]) == ("At 02:30 on Monday through Friday (Europe/Berlin)", "queue")
    assert singr("schedules", "list", "--state", "active").one["id"] == made["id"]
    assert singr("schedules", "pause", made["id"]).one["state"] == "paused"
    assert singr("schedules", "resume", made["id"]).one["state"] == "active"
    assert singr("schedules", "run", made["id"]).one["id"] == made["id"]
    assert singr("schedules", "fires", made["id"]).items == []
    assert singr("schedules", "delete", made["id"], "--yes").code == 0
    assert singr("schedules", "show", made["id"]).code == 4


def test_what_cannot_be_taken_back_is_not_done_without_a_yes(singr: Any) -> None:
    made = nightly(singr)
    outcome = singr("schedules", "delete", made["id"])
    assert (outcome.code, outcome.err) == (
        2, "Delete 1 schedule for good? Say so with --yes: nobody can be asked here.\n",
    )  # fmt: skip
    assert singr("schedules", "show", made["id"]).code == 0


def test_a_preview_says_when_in_words(singr: Any) -> None:
    told = singr("schedules", "preview", "--cron", "0 9 * * *", "--count", "2", "--after", "2026-11-27T00:00:00Z").one
    assert told["in_words"] == "At 09:00 every day"
    assert [fire["utc"] for fire in told["next_fires"]] == ["2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z"]


def test_a_rule_that_never_fires_is_refused_by_field(singr: Any) -> None:
    outcome = singr("schedules", "preview", "--cron", "0 0 31 2 *")
    assert outcome.code == 2
    assert "  cron: " in outcome.err
