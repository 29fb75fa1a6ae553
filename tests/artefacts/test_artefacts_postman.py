"""The Postman collection, run by newman against a running API."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from artefacts.conftest import DOCUMENT, ROOT, Run, RunningApi

pytestmark = pytest.mark.full


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """What `make postman` writes."""
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    path = tmp_path / "postman.json"
    path.write_text(runpy.run_path(str(ROOT / "scripts/generate_postman.py"))["written"](document), encoding="utf-8")
    return path


def run_collection(node: Run, collection: Path, **variables: str) -> tuple[int, list[dict[str, Any]]]:
    """Newman's exit code, and every request that was sent."""
    report = collection.with_name("report.json")
    finished = node(
        "node_modules/newman/bin/newman.js",
        *("run", str(collection), "--reporters", "json", "--reporter-json-export", str(report)),
        *(part for name, value in variables.items() for part in ("--env-var", f"{name}={value}")),
        "--ignore-redirects",
    )
    executions: list[dict[str, Any]] = json.loads(report.read_text())["run"]["executions"]
    return finished.returncode, executions


def failures(executions: list[dict[str, Any]]) -> list[str]:
    return [
        f"{one['item']['name']}: {failed['error']['message']}"
        for one in executions
        for failed in one.get("assertions", ())
        if "error" in failed
    ]


def test_the_collection_signs_what_it_sends(node: Run, running_api: RunningApi, collection: Path) -> None:
    code, executions = run_collection(
        node,
        collection,
        baseUrl=running_api.address,
        keyId=running_api.key_id,
        signingSecret=running_api.signing_secret,
    )
    assert failures(executions) == []
    assert code == 0
    answered = {one["item"]["name"]: one["response"]["code"] for one in executions}
    assert answered["Create a job"] == 202
    assert answered["Read a job"] == 200
    assert len(answered) > 100


def test_an_address_that_needs_encoding_is_signed_as_it_is_sent(
    node: Run, running_api: RunningApi, collection: Path
) -> None:
    changed = json.loads(collection.read_text(encoding="utf-8"))
    [jobs] = [folder for folder in changed["item"] if folder["name"] == "Jobs"]
    [listed] = [item for item in jobs["item"] if item["name"] == "List jobs"]
    for query in listed["request"]["url"]["query"]:
        if query["key"] == "type":
            query |= {"value": "it's {{word}} & ü%20", "disabled": False}
    changed["item"] = [{"name": "Jobs", "item": [listed]}]
    changed["variable"].append({"key": "word", "value": "sms send"})
    collection.write_text(json.dumps(changed), encoding="utf-8")
    _, [sent] = run_collection(
        node,
        collection,
        baseUrl=running_api.address,
        keyId=running_api.key_id,
        signingSecret=running_api.signing_secret,
    )
    assert sent["response"]["code"] == 422  # the type is none; who asks is known
