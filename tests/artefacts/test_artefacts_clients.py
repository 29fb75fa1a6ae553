"""Clients that generators made of the document call a running API."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from artefacts.conftest import DOCUMENT, HERE, ORGANIZATION, Run, RunningApi

pytestmark = pytest.mark.full

# The one answer that is no JSON and no text to this generator: it leaves its body to the caller.
LEFT_OUT = [
    "WARNING parsing GET /schema/openapi.yaml within documentation.",
    "WARNING parsing GET /v1/branding/logos/{logo_id} within branding.",
]


def test_a_client_generated_for_typescript_calls_the_api(node: Run, running_api: RunningApi, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("client.ts", "tsconfig.json"):
        (tmp_path / name).write_bytes((HERE / name).read_bytes())
    made = node("node_modules/openapi-typescript/bin/cli.js", str(DOCUMENT), "-o", str(tmp_path / "schema.d.ts"))
    assert made.returncode == 0, made.stderr
    compiled = node("node_modules/typescript/bin/tsc", "-p", str(tmp_path))
    assert compiled.returncode == 0, compiled.stdout
    called = node(str(tmp_path / "client.js"), running_api.address, running_api.api_key, ORGANIZATION)
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"status": "pending", "codes": ["required"]}


def test_a_client_generated_for_python_calls_the_api(running_api: RunningApi, tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    made = subprocess.run(
        [
            *(str(tools / "openapi-python-client"), "generate", "--meta", "none"),
            *("--path", str(DOCUMENT), "--output-path", str(tmp_path / "singr_client")),
        ],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    said = [
        line for line in (made.stdout + made.stderr).splitlines() if line.startswith(("WARNING", "ERROR", "Unable"))
    ]
    assert said == LEFT_OUT, made.stdout + made.stderr
    called = subprocess.run(
        [
            *(sys.executable, str(HERE / "python_client.py")),
            *(running_api.address, running_api.api_key, ORGANIZATION),
        ],
        cwd=tmp_path, env=environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"status": "pending", "codes": ["too_short"]}
