"""`singr queues` against the real API, as an operator of the platform."""

from typing import Any

import pytest

from singr_cli.commands.workers import COMMANDS


@pytest.fixture
def operator(bare: Any, api_url: str, keys: Any) -> Any:
    """Runs `singr` for the platform, from a profile that names an organization."""
    whose = "01920000-0000-7000-8000-0000000000a1"
    arguments = ("--url", api_url, "--key", keys.key_id, "--organization", whose)
    assert bare("profile", "add", "all", *arguments, given=f"{keys.secret}\n").code == 0
    return bare


def test_queues_are_paused_limited_and_resumed(operator: Any) -> None:
    paused = operator("queues", "pause", "email", "sms", "--reason", "the provider is down")
    assert (paused.code, [one["paused"]["reason"] for one in paused.items]) == (0, ["the provider is down"] * 2)
    assert "email" in [one["queue"] for one in operator("queues", "list").items if one["paused"]]
    assert operator("queues", "set", "email", "--concurrency", "5", "--rate", "sms").one["concurrency"] == 5
    assert operator("queues", "set", "email", "--concurrency", "null").one["concurrency"] is None
    assert operator("queues", "resume", "email").one["paused"] is None
    assert operator("queues", "show", "email").one["rate"] == {"count": 10, "seconds": 1}


def test_what_was_done_in_a_queue_is_told_by_the_minute(operator: Any) -> None:
    told = operator("queues", "history", "email", "--minutes", "3").one
    assert [one["taken"] for one in told["minutes"]] == [0, 0, 0]
    assert "MINUTE" in operator("queues", "history", "email", "--minutes", "3", "--output", "table").out
    head, *lines = operator("queues", "history", "email", "--minutes", "3", "--output", "csv").out.splitlines()
    assert head == "queue,minute,taken,completed,retried,failed,wait_p50,wait_p95,run_p50,run_p95"
    assert [(line[:6], line[26:]) for line in lines] == [("email,", ",0,0,0,0,,,,")] * 3
    assert operator("queues", "history", "email", "--minutes", "181").code == 2
    assert operator("queues", "history", "emails").code == 4


def test_an_organization_of_the_profile_does_not_narrow_what_is_paused(operator: Any) -> None:
    assert operator("queues", "pause", "email").one["organizations"] == []


def test_one_organization_is_paused_where_it_is_named(operator: Any) -> None:
    whose = "01920000-0000-7000-8000-0000000000a1"
    paused = operator("queues", "pause", "email", "--organization", whose).one
    assert (paused["paused"], [one["organization_id"] for one in paused["organizations"]]) == (None, [whose])


def test_an_organizations_credential_is_refused(singr: Any) -> None:
    assert singr("queues", "list").code == 3


def test_whether_queues_are_well_is_an_exit_status(operator: Any) -> None:
    assert operator("queues", "pause", "email").code == 0
    assert operator("queues", "health", "sms").code == 0
    paused = operator("queues", "health", "email")
    assert (paused.code, paused.items[0]["problems"][0]["code"]) == (1, "paused")
    assert operator("queues", "health", "email", "sms").code == 6
    every = operator("queues", "health")
    assert every.code == 6
    assert {one["queue"]: one["healthy"] for one in every.items}.items() >= {"email": False, "sms": True}.items()


def test_workers_are_listed(operator: Any) -> None:
    assert operator("workers").items == []


def test_workers_of_one_version_are_told_apart_by_when_they_started() -> None:
    assert {"version", "started_at"} <= set(COMMANDS.columns)
