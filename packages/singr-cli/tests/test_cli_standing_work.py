"""`singr standing-work` against the real API, as an operator of the platform."""

from typing import Any


def test_standing_work_is_listed_and_what_is_not_there_is_refused(bare: Any, api_url: str, keys: Any) -> None:
    arguments = ("--url", api_url, "--key", keys.key_id)
    assert bare("profile", "add", "all", *arguments, given=f"{keys.secret}\n").code == 0
    assert bare("standing-work", "list").items == []
    assert bare("standing-work", "pause", "leases", "--reason", "never").code != 0
