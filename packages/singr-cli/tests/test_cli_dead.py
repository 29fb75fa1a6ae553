"""`singr dead` against the real API."""

import json
from typing import Any

import pytest

PAYLOAD = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})
ERROR = json.dumps({"code": "provider_unavailable", "message": "the provider answers 503"})


@pytest.fixture
def letters(singr: Any, sql: Any) -> list[str]:
    """Two jobs that failed for good: the ids of their letters, the latest first."""
    for _ in range(2):
        singr("jobs", "create", "sms.send", "--payload", PAYLOAD)
    sql("DELETE FROM job_ready")
    sql(f"UPDATE jobs SET status = 'failed', attempt = 3, error = '{ERROR}', finished_at = now()")
    sql(
        "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, attempts)"
        " SELECT gen_random_uuid(), organization_id, id, type, queue, error, error->>'code', repeat('a', 64), '[]'"
        " FROM jobs"
    )
    return [letter["id"] for letter in singr("dead", "list").items]


def test_failures_are_listed_grouped_shown_and_requeued(singr: Any, letters: list[str]) -> None:
    first, second = letters
    assert [letter["id"] for letter in singr("dead", "list", "--error-code", "provider_unavailable").items] == letters
    [group] = singr("dead", "groups", "--type", "sms.send").one["groups"]
    head, line = singr("dead", "groups", "--type", "sms.send", "--output", "csv").out.splitlines()
    assert head == "fingerprint,type,error_code,count,counted,first_at,last_at"
    assert line.startswith(f"{group['fingerprint']},sms.send,")
    assert (group["count"], group["error_code"]) == (2, "provider_unavailable")
    assert singr("dead", "show", first).one["id"] == first
    assert singr("dead", "requeue", first, "--reason", "it is back").one["state"] == "requeued"
    assert singr("dead", "discard", second, "--yes").one["state"] == "discarded"
    assert singr("dead", "list", "--state", "open").items == []


def test_what_is_settled_is_told_and_the_others_go_on(singr: Any, letters: list[str]) -> None:
    assert singr("dead", "requeue", letters[0]).code == 0
    outcome = singr("dead", "requeue", *letters)
    assert (outcome.code, [letter["id"] for letter in outcome.items]) == (6, [letters[1]])
