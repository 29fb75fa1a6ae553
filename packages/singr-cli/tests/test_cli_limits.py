"""`singr limits` against the real API, as an operator of the platform."""

from typing import Any


def test_limits_by_key_are_listed_and_set(bare: Any, api_url: str, keys: Any, sql: Any) -> None:
    sql("INSERT INTO job_limits (type, concurrency) VALUES ('test.charge', 1)")
    arguments = ("--url", api_url, "--key", keys.key_id)
    assert bare("profile", "add", "all", *arguments, given=f"{keys.secret}\n").code == 0
    told = bare(
        "limits", "set", "test.charge", "--concurrency", "3", "--rate", '{"count": 5}', "--reason", "enough"
    ).one
    assert (told["concurrency"], told["rate"]) == (3, {"count": 5, "seconds": 60})
    assert bare("limits", "set", "test.charge", "--concurrency", "null").one["concurrency"] is None
    assert bare("limits", "list").items == [told | {"concurrency": None}]
    assert bare("limits", "set", "test.none", "--concurrency", "1").code == 4
