"""The OpenAPI document, read by the tools that people use on it."""

import json
from pathlib import Path
from typing import Any

import pytest
import re2
from artefacts.conftest import DOCUMENT, Run
from ruamel.yaml import YAML

from singr_api.documentation.document import as_json, openapi_document

pytestmark = pytest.mark.full

WRITTEN: dict[str, Any] = json.loads(as_json(openapi_document()))


def patterns(part: Any) -> set[str]:
    if isinstance(part, list):
        return {pattern for item in part for pattern in patterns(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
    return own | {pattern for item in part.values() for pattern in patterns(item)}


def test_a_reader_of_yaml_1_2_in_javascript_reads_what_was_written(node: Run) -> None:
    finished = node("read.mjs", str(DOCUMENT))
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == WRITTEN


def test_a_reader_of_yaml_1_2_in_python_reads_what_was_written() -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    assert yaml.load(DOCUMENT) == WRITTEN


def test_the_linter_has_nothing_to_say(node: Run) -> None:
    finished = node("lint.mjs", str(DOCUMENT))
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == []


def test_patterns_compile_in_re2() -> None:
    for pattern in patterns(WRITTEN):
        assert re2.compile(pattern), pattern


def test_patterns_compile_in_ecmascript(node: Run, tmp_path: Path) -> None:
    listed = tmp_path / "patterns.json"
    listed.write_text(json.dumps(sorted(patterns(WRITTEN))), encoding="utf-8")
    finished = node("patterns.mjs", str(listed))
    assert json.loads(finished.stdout) == [], finished.stderr
