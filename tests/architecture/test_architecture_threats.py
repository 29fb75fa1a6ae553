"""The threat model names tests: each is there, under that name."""

from __future__ import annotations

import re

from architecture.repository import ROOT

NAMED = re.compile(r"`([\w/.-]+\.py)::(test_\w+)`")


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs/THREATS.md").read_text())
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists()
        or not re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert len(named) > 20
    assert missing == []


def test_every_threat_has_a_test() -> None:
    rows = [line for line in (ROOT / "docs/THREATS.md").read_text().splitlines() if line.startswith("| ")]
    threats = rows[rows.index("| threat | what stands in the way | test |") + 1 :]
    assert threats
    assert [row for row in threats if not (NAMED.search(row) or row.endswith("| the same |"))] == []
