"""The OpenAPI document, read by the tools that people use on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from artefacts.conftest import DOCUMENT, Run

from singr_api.operations.documentation.document import as_json, openapi_document

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document as it was written."""
    document: dict[str, Any] = json.loads(as_json(openapi_document()))
    return document


def patterns(part: Any) -> set[str]:
    if isinstance(part, list):
        return {pattern for item in part for pattern in patterns(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
    return own | {pattern for item in part.values() for pattern in patterns(item)}


def test_a_reader_of_yaml_1_2_in_javascript_reads_what_was_written(node: Run, written: dict[str, Any]) -> None:
    finished = node("read.mjs", str(DOCUMENT))
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == written


def test_a_reader_of_yaml_1_2_in_python_reads_what_was_written(written: dict[str, Any]) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 — of the group artefacts, which make test does without

    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    assert yaml.load(DOCUMENT) == written


def test_the_linter_has_nothing_to_say(node: Run) -> None:
    finished = node("lint.mjs", str(DOCUMENT))
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == []


def test_patterns_compile_in_re2(written: dict[str, Any]) -> None:
    import re2  # noqa: PLC0415 — likewise

    for pattern in patterns(written):
        assert re2.compile(pattern), pattern


def test_patterns_compile_in_ecmascript(node: Run, tmp_path: Path, written: dict[str, Any]) -> None:
    listed = tmp_path / "patterns.json"
    listed.write_text(json.dumps(sorted(patterns(written))), encoding="utf-8")
    finished = node("patterns.mjs", str(listed))
    assert json.loads(finished.stdout) == [], finished.stderr
