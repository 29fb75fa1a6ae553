"""Profiles: where the API is and who calls it; secrets are for their owner alone."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

SECRET = "sk_live_" + "S" * 43


def add(bare: Any, name: str = "one", *more: str, url: str = "https://api.example.org") -> Any:
    return bare("profile", "add", name, "--url", url, *more, given=f"{SECRET}\n")


def test_a_profile_is_for_its_owners_eyes_only(bare: Any, home: Path) -> None:
    assert add(bare).code == 0
    file = home / "singr" / "profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_refused(bare: Any, home: Path) -> None:
    add(bare)
    (home / "singr" / "profiles.json").chmod(0o644)
    outcome = bare("profile", "list")
    assert outcome.code == 2
    assert "chmod 600" in outcome.err


def test_profiles_are_listed_used_and_removed_without_their_secrets(bare: Any) -> None:
    add(bare)
    add(bare, "two", "--organization", "01920000-0000-7000-8000-0000000000a1")
    assert bare("profile", "use", "two").code == 0
    listed = bare("profile", "list")
    assert [(one["name"], one["in_use"]) for one in listed.items] == [("one", False), ("two", True)]
    assert SECRET not in listed.out + listed.err
    assert bare("profile", "remove", "two").code == 0
    assert [one["name"] for one in bare("profile", "list").items] == ["one"]


def test_an_unknown_profile_is_told_which_there_are(bare: Any) -> None:
    add(bare)
    outcome = bare("jobs", "list", "--profile", "tow")
    assert (outcome.code, outcome.err) == (4, "No profile is called tow. There are one.\n")


def test_without_an_address_it_says_how_to_give_one(bare: Any) -> None:
    outcome = bare("jobs", "list")
    assert outcome.code == 2
    assert "SINGR_URL" in outcome.err


def test_the_environment_goes_before_the_profile_in_use(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add(bare, url="https://one.example.org")
    monkeypatch.setenv("SINGR_URL", "http://two.example.org")
    assert "Over http" in bare("jobs", "list").err


@pytest.mark.parametrize(
    "url",
    ["ftp://api.example.org", "https://", "api.example.org", "https://me:pass@api.example.org", "https://a:99999",
     "https://a/?x=1", "https://a b"],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_a_secret_is_asked_for(bare: Any, url: str) -> None:
    outcome = add(bare, url=url)
    assert outcome.code == 2
    assert "The address must be" in outcome.err
    assert bare("profile", "list").items == []


def test_a_credential_goes_over_http_to_nobody_but_this_machine(bare: Any) -> None:
    assert add(bare, url="http://api.example.org").code == 2
    assert add(bare, url="http://127.0.0.1:8000").code == 0
    assert add(bare, "two", "--plain-http", url="http://api.example.org").code == 0


def test_a_secret_with_a_line_end_in_it_is_refused_without_showing_it(bare: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SINGR_URL", "https://api.example.org")
    monkeypatch.setenv("SINGR_API_KEY", f"{SECRET}\nx-evil: 1")
    outcome = bare("jobs", "list")
    assert outcome.code == 2
    assert SECRET not in outcome.err


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"profiles": {"a": {"uri": 1}}, "current": "a"})])
def test_a_file_that_is_none_of_profiles_is_refused_and_left_alone(bare: Any, home: Path, text: str) -> None:
    (home / "singr").mkdir()
    file = home / "singr" / "profiles.json"
    file.touch(0o600)
    file.write_text(text)
    outcome = add(bare)
    assert (outcome.code, file.read_text()) == (2, text)
    assert "cannot be read" in outcome.err
