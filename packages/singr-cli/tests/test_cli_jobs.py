"""`singr jobs` against the real API."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from singr_config.clock import clock

SOON = f"{clock.now() + timedelta(days=30):%Y-%m-%dT00:00:00Z}"
PAYLOAD = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})


def create(singr: Any, *more: str) -> dict[str, Any]:
    made: dict[str, Any] = singr("jobs", "create", "sms.send", "--payload", PAYLOAD, *more).one
    return made


def test_a_job_is_created_listed_shown_and_cancelled(singr: Any) -> None:
    made = create(singr, "--priority", "high", "--delay", "3600", "--attempts", "5", "--attempt-timeout", "20")
    assert (made["status"], made["priority"], made["max_attempts"]) == ("pending", "high", 5)
    assert singr("jobs", "list", "--status", "pending", "--type", "sms.send").one == made
    assert singr("jobs", "list", "--queue", "email").items == []
    assert singr("jobs", "show", made["id"]).one["id"] == made["id"]
    assert singr("jobs", "cancel", made["id"]).one["status"] == "cancelled"


def test_jobs_are_found_by_the_labels_that_they_were_created_with(singr: Any) -> None:
    made = create(singr, "--label", "import", "--label", "eu")
    create(singr, "--label", "eu")
    assert made["labels"] == ["import", "eu"]
    assert singr("jobs", "list", "--label", "eu", "--label", "import").one == made
    assert len(singr("jobs", "list", "--label", "eu").items) == 2
    assert singr("jobs", "list", "--label", "us").items == []


def test_a_job_takes_the_place_of_the_one_before_it_or_keeps_others_out(singr: Any) -> None:
    quiet = ("--unique-key", "order-7", "--debounce", "60", "--debounce-longest", "600")
    first, last = create(singr, *quiet)["id"], create(singr, *quiet)["id"]
    assert singr("jobs", "show", first).one["replaced_by"] == last
    now = create(singr, "--unique-key", "order-7", "--replace")["id"]
    assert singr("jobs", "show", last).one["replaced_by"] == now
    held = create(singr, "--unique-key", "digest", "--unique-for", "3600")["id"]
    assert create(singr, "--unique-key", "digest")["id"] == held


def test_a_list_goes_on_over_its_pages(singr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_cli._http._LARGEST_PAGE", 2)
    made = [create(singr)["id"] for _ in range(5)]
    assert [job["id"] for job in singr("jobs", "list", "--all", "--order", "oldest").items] == made
    assert [job["id"] for job in singr("jobs", "list", "--limit", "3").items] == made[:1:-1]


def test_a_job_comes_from_a_file_and_options_go_before_it(singr: Any, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(
        json.dumps({"type": "sms.send", "priority": "low", "payload": json.loads(PAYLOAD)})
    )
    made = singr("jobs", "create", "--file", str(tmp_path / "job.json"), "--priority", "high").one
    assert (made["type"], made["priority"]) == ("sms.send", "high")


def test_a_payload_comes_from_standard_input(singr: Any) -> None:
    assert singr("jobs", "create", "sms.send", "--payload", "-", given=PAYLOAD).one["type"] == "sms.send"


def test_ids_come_from_standard_input(singr: Any) -> None:
    made = [create(singr)["id"] for _ in range(2)]
    cancelled = singr("jobs", "cancel", "-", given="\n".join(made))
    assert [job["status"] for job in cancelled.items] == ["cancelled", "cancelled"]


def test_what_is_refused_is_told_by_field_with_the_link_and_nothing_is_stored(singr: Any) -> None:
    outcome = singr("jobs", "create", "sms.send", "--payload", '{"to": "x", "message": {"kind": "plain"}}')
    assert outcome.code == 2
    assert "  payload.message.text: " in outcome.err
    assert "More: https://singrkaraoke.com/problems/invalid" in outcome.err
    assert singr("jobs", "list").items == []


def test_a_dry_run_shows_the_request_and_sends_none(singr: Any) -> None:
    shown = singr("jobs", "create", "sms.send", "--payload", PAYLOAD, "--dry-run").one
    assert shown == {
        "method": "POST",
        "path": "/v1/jobs",
        "body": {"type": "sms.send", "payload": json.loads(PAYLOAD)},
    }
    assert singr("jobs", "list").items == []


def test_what_is_done_in_part_ends_with_6(singr: Any) -> None:
    made = create(singr)["id"]
    nobody = "019ab2c0-7f00-7000-8000-00000000dead"
    outcome = singr("jobs", "cancel", made, nobody)
    assert (outcome.code, [job["id"] for job in outcome.items]) == (6, [made])
    assert nobody in outcome.err


def test_what_is_not_there_ends_with_4(singr: Any) -> None:
    assert singr("jobs", "show", "019ab2c0-7f00-7000-8000-00000000dead").code == 4


def test_a_name_cannot_lead_to_another_path(singr: Any) -> None:
    assert singr("jobs", "show", "../schedules").code in {2, 4}
    assert singr("jobs", "show", "..").code == 2


def test_waiting_ends_with_the_jobs(singr: Any, sql: Any) -> None:
    good, bad = create(singr)["id"], create(singr)["id"]
    sql(f"UPDATE jobs SET status = 'completed', finished_at = now() WHERE id = '{good}'")
    assert singr("jobs", "cancel", bad).code == 0
    assert singr("jobs", "wait", good).one["status"] == "completed"
    assert singr("jobs", "wait", bad).code == 1
    assert singr("jobs", "wait", good, bad).code == 6


def test_waiting_has_an_end(singr: Any) -> None:
    outcome = singr("jobs", "wait", create(singr)["id"], "--within", "0")
    assert (outcome.code, outcome.out) == (5, "")
    assert "Not ended in 0 s" in outcome.err


def test_a_platform_credential_signs_and_names_the_organization(bare: Any, api_url: str, keys: Any) -> None:
    organization = "01920000-0000-7000-8000-0000000000a1"
    added = bare(
        "profile", "add", "all", "--url", api_url, "--key", keys.key_id, "--organization", organization,
        given=f"{keys.secret}\n",
    )  # fmt: skip
    assert added.code == 0, added.err
    assert create(bare)["organization_id"] == organization
    assert len(bare("jobs", "list").items) == 1


def test_who_did_what_is_listed_for_operators(bare: Any, singr: Any, api_url: str, keys: Any) -> None:
    made = create(singr)["id"]
    singr("jobs", "cancel", made)
    assert singr("operation-log").code == 3
    bare("profile", "add", "all", "--url", api_url, "--key", keys.key_id, given=f"{keys.secret}\n")
    done = bare("operation-log", "--profile", "all", "--kind", "job.cancel").one
    assert (done["target"], done["before"]["status"]) == (made, "pending")


def test_what_a_handler_wrote_is_listed(singr: Any) -> None:
    made = create(singr)["id"]
    assert singr("jobs", "logs", made, "--attempt", "1").items == []


def test_why_a_job_does_not_run_is_said_in_words(singr: Any) -> None:
    told = singr("jobs", "explain", create(singr, "--delay", "3600")["id"]).one
    assert (told["state"], told["reason"]) == ("scheduled", "not_due")
    assert told["in_words"]


def test_a_job_is_moved_run_now_and_tried_again(singr: Any) -> None:
    made = create(singr, "--delay", "3600")["id"]
    assert singr("jobs", "move", made, "--run-at", SOON).one["run_at"] == SOON
    assert singr("jobs", "move", made, "--priority", "high").one["priority"] == "high"
    assert singr("jobs", "run-now", made).one["run_at"] < SOON
    assert singr("jobs", "cancel", made).code == 0
    assert singr("jobs", "retry", made, "--reason", "it is wanted").one["status"] == "pending"
    refused = singr("jobs", "move", made)
    assert (refused.code, refused.err.strip()) == (2, "Say what is to be otherwise: --run-at or --priority.")
