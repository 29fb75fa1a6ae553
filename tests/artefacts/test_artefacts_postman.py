"""The Postman collection, run by newman against a running API."""

import json
from pathlib import Path
from typing import Any

import pytest
from artefacts.conftest import ROOT, Run, RunningApi

pytestmark = pytest.mark.full


def run_collection(
    node: Run, report: Path, *, collection: Path = ROOT / "docs" / "postman.json", **variables: str
) -> tuple[int, list[dict[str, Any]]]:
    """Newman's exit code, and every request that was sent."""
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


def test_the_collection_signs_what_it_sends(node: Run, running_api: RunningApi, tmp_path: Path) -> None:
    code, executions = run_collection(
        node,
        tmp_path / "report.json",
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
    node: Run, running_api: RunningApi, tmp_path: Path
) -> None:
    collection = json.loads((ROOT / "docs" / "postman.json").read_text(encoding="utf-8"))
    [jobs] = [folder for folder in collection["item"] if folder["name"] == "Jobs"]
    [listed] = [item for item in jobs["item"] if item["name"] == "List jobs"]
    for query in listed["request"]["url"]["query"]:
        if query["key"] == "type":
            query |= {"value": "it's {{word}} & ü%20", "disabled": False}
    collection["item"] = [{"name": "Jobs", "item": [listed]}]
    collection["variable"].append({"key": "word", "value": "sms send"})
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(collection), encoding="utf-8")
    _, [sent] = run_collection(
        node,
        tmp_path / "report.json",
        collection=changed,
        baseUrl=running_api.address,
        keyId=running_api.key_id,
        signingSecret=running_api.signing_secret,
    )
    assert sent["response"]["code"] == 422  # the type is none; who asks is known
