"""What CONTRIBUTING.md sends a newcomer to is there, and so are the names it uses."""

from __future__ import annotations

import re

import yaml
from architecture.repository import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PARTS = re.split(r"^## ", TEXT, flags=re.MULTILINE)
# Files that a walk-through lets its reader make.
NEW = re.compile(r"postbox|venue|retention|<")


def test_every_path_that_is_named_exists() -> None:
    named = re.findall(r"`((?:packages|apps|docs|tests)/[\w./<>-]+)`", TEXT)
    assert len(named) > 15
    assert [path for path in named if not NEW.search(path) and not (ROOT / path).exists()] == []
    made = [(ROOT / path).parent for path in named if NEW.search(path)]
    assert [folder for folder in made if not folder.is_dir()] == []


def test_every_short_file_name_of_a_walk_through_exists() -> None:
    for part in PARTS:
        base = re.search(r"`((?:packages|apps)/[\w./-]+/)`", part)
        if base is None or not part.startswith(("Add a setting", "Add a route")):
            continue
        short = [name for name in re.findall(r"`([\w/]+\.py)`", part) if not NEW.search(name)]
        assert short
        assert [name for name in short if not (ROOT / base[1] / name).is_file()] == []


def test_every_name_of_the_code_that_is_used_is_in_the_code() -> None:
    source = "\n".join(path.read_text() for path in (ROOT).glob("[pa]*/*/src/**/*.py"))
    for name in (
        *(
            "carries_code",
            "when_unknown",
            "concerns_security",
            "MessageType",
            "HttpCaller",
            "InMemoryJobs",
            "PermanentError",
            "RetryLater",
            "Exponential",
        ),
        *("takes_idempotency_key", "EmailProviderName", "all_jobs", "TenantSession", "singr_tenant", "Intake"),
    ):
        assert re.search(rf"\b{name}\b", source), name


def test_the_hooks_run_before_a_commit_what_the_makefile_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = {hook["id"]: hook["entry"] for hook in config["repos"][0]["hooks"]}
    makefile = (ROOT / "Makefile").read_text()
    for tool in ("ruff check", "ruff format", "lint-imports"):
        assert f"$(BIN)/{tool}" in makefile
        assert any(f".venv/bin/{tool}" in entry for entry in hooks.values())
    assert "types" in hooks["mypy"]
