"""What the documents promise is there: links lead somewhere, commands exist, decisions are listed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from architecture.repository import ROOT, files

PROMISED = {
    *("help", "run", "try", "test", "dev-up", "dev-down", "dev-logs", "db-migrate", "db-seed", "db-reset", "lint"),
    *("format", "type-check", "types", "artefacts", "bench", "faults", "security", "build", "lock", "openapi", "clean"),
    *("new", "postman", "recipes"),
}
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:`|^|&& |\$ )make ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)", re.MULTILINE)


def targets() -> set[str]:
    rules = re.findall(r"^([a-z][a-z -]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name for rule in rules for name in rule.split()}


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    broken = []
    for match in LINK.finditer(FENCE.sub("", document.read_text())):
        address = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", address):
            continue
        path, _, anchor = address.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(f"{document.name}: {address}")
    return broken


def unknown_targets(text: str) -> list[str]:
    """Targets that a text tells its reader to make, in code only, and that are not there."""
    code = FENCE.findall(text) + re.findall(r"`[^`\n]+`", FENCE.sub("", text))
    asked = [match.group(1).split() for piece in code for match in COMMAND.finditer(piece)]
    return [name for names in asked for name in names[: 1 if names[0] == "new" else None] if name not in targets()]


def test_every_link_in_a_document_leads_somewhere() -> None:
    assert [broken for document in files(".md") for broken in broken_links(document)] == []


def test_every_command_in_a_document_exists() -> None:
    unknown = [
        f"{path.relative_to(ROOT)}: make {name}" for path in files(".md") for name in unknown_targets(path.read_text())
    ]
    assert unknown == []


def test_every_promised_target_exists_and_is_listed() -> None:
    assert [name for name in PROMISED if name not in targets()] == []
    make = shutil.which("make")
    if make is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("make is not installed here")
    listed = subprocess.run([make, "--silent"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    aliases = {"types"}
    assert [name for name in PROMISED if name not in aliases and f"  {name} " not in listed] == []


def test_every_decision_is_in_the_index_and_has_its_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    records = [path for path in sorted(folder.glob("*.md")) if path.name != "README.md"]
    assert len(records) >= 5
    assert [path.name for path in records if f"({path.name})" not in index] == []
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", index, re.MULTILINE)]
    assert numbers == [int(path.name[:4]) for path in records], "in the order of their numbers, each once"
    parts = ("## Context", "## Decision", "## Consequences")
    assert [path.name for path in records if not all(part in path.read_text() for part in parts)] == []


def test_a_broken_link_and_an_unknown_command_are_seen(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# Two words\n[a](#two-words) [b](#three) [c](missing.md) [d](https://example.org)\n")
    assert broken_links(document) == ["page.md: #three", "page.md: missing.md"]
    assert unknown_targets("`make new route venues`") == []  # what follows are words
    assert unknown_targets("Run `make test` then `make coffee`.\n```\nmake run tea\n```\nmake sense") == [
        "tea",
        "coffee",
    ]
