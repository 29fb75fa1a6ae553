"""The deployment guide agrees with the code: variables, ports, probes, units; and whatever command is named exists."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from architecture.deployment import DOCKER, KNOWN, secrets
from architecture.repository import ROOT, distributions

from singr_config import load_settings
from singr_dev.testing import absent

GUIDE = (ROOT / "docs" / "DEPLOYMENT.md").read_text()
COMMAND = re.compile(
    r"(?:^|[\s'\"/])(singr-(?:api|auth|config|db|worker)) (?!singr-)([a-z][a-z-]*)((?: --[a-z-]+(?: [\w,]+)?)*)"
)


def manifests() -> list[dict[str, Any]]:
    """The Kubernetes objects of the guide."""
    fences = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return [document for fence in fences for document in yaml.safe_load_all(fence)]


def units() -> Iterator[configparser.ConfigParser]:
    """The systemd units of the guide; a repeated key keeps its last value."""
    for fence in re.findall(r"^```ini\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign] # documented way to keep the case of keys
        parser.read_string(fence)
        yield parser


def containers() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    pods = [item["spec"]["template"]["spec"] for item in manifests() if item["kind"] in {"Job", "Deployment"}]
    return [(pod, container) for pod in pods for container in pod["containers"]]


def test_the_guide_has_the_objects_that_a_cluster_needs() -> None:
    kinds = sorted(item["kind"] for item in manifests())
    assert kinds == ["ConfigMap", "Deployment", "Deployment", "Job", "PodDisruptionBudget", "Secret", "Service"]


def test_pods_are_fenced_and_given_known_variables() -> None:
    assert len(containers()) == 3
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert {entry["name"] for entry in container.get("env", [])} <= KNOWN
    for item in manifests():
        assert set(item.get("data", {})) | set(item.get("stringData", {})) <= KNOWN


def test_the_guides_settings_are_complete_for_production() -> None:
    given: dict[str, str] = {}
    for item in manifests():
        given |= item.get("data", {}) | item.get("stringData", {})
    real = {
        "AUTH_SECRET": secrets()["AUTH_SECRET"],
        "JWT_PRIVATE_KEY": secrets()["JWT_PRIVATE_KEY"],
        "JWT_PUBLIC_KEY": secrets()["JWT_PUBLIC_KEY"],
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    }
    assert real.keys() <= given.keys()
    assert load_settings({**given, **real}, env_file=None).app.env.is_production


def test_probes_ask_the_process_for_its_life_and_the_stores_for_its_readiness() -> None:
    for pod, container in containers():
        if container["name"] == "migrate":
            continue
        ports = {port["name"] for port in container["ports"]}
        for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
            assert container[probe]["httpGet"]["path"] == path
            assert container[probe]["httpGet"]["port"] in ports
        assert pod["terminationGracePeriodSeconds"] >= 40


def needed_by(*names: str) -> set[str]:
    """These distributions, and all of ours that they need, however far away, by what their manifests say."""
    ours = {each.name: each for each in distributions()}
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        if (name := ahead.pop()) in ours and name not in found:
            found.add(name)
            lines: Any = ours[name].manifest["project"]["dependencies"]
            ahead += [re.split(r"[^\w-]", line, maxsplit=1)[0] for line in lines]
    return found


def test_what_is_installed_for_systemd_is_all_that_both_apps_need() -> None:
    """The index is not asked, so a wheel that is not named is not there."""
    [named] = re.findall(r"--no-index --no-deps dist/singr_\{([\w,]+)\}-\*\.whl", GUIDE)
    assert sorted(f"singr-{name}" for name in named.split(",")) == sorted(needed_by("singr-api", "singr-worker"))


def test_units_start_what_is_installed_and_leave_time_to_stop() -> None:
    found = list(units())
    assert len(found) == 3
    for unit in found:
        service = unit["Service"]
        assert service["User"] == "singr"
        assert service["ExecStart"].startswith("/opt/singr/venv/bin/singr-")
        if service.get("Type") != "oneshot":
            assert int(service["TimeoutStopSec"]) >= 40
            assert service["KillMode"] == "mixed"


def test_units_come_up_by_themselves_when_the_database_starts_later() -> None:
    """A unit that requires one that failed stays down for good; one that fails is tried again, however often."""
    for unit in units():
        assert not {"Requires", "BindsTo", "Requisite", "PartOf"} & set(unit["Unit"])
        assert unit["Unit"]["StartLimitIntervalSec"] == "0"
        oneshot = unit["Service"].get("Type") == "oneshot"
        assert unit["Service"]["Restart"] == ("on-failure" if oneshot else "always")
        assert oneshot or "singr-migrate.service" in unit["Unit"]["Wants"]


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        absent("no systemd is installed here (Debian: apt-get install systemd)")
    found = re.findall(
        r"^`/etc/systemd/system/([\w-]+\.service)`:\n\n```ini\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL
    )
    assert len(found) == 3
    for name, text in found:
        (tmp_path / name).write_text(
            re.sub(r"/opt/singr/venv/bin/singr-\w+", "/bin/true", text).replace("User=singr", "")
        )
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *(str(tmp_path / name) for name, _ in found)],
        check=False, capture_output=True, text=True, timeout=60,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert not [line for line in done.stderr.splitlines() if "singr" in line], done.stderr


# ---- what to watch, and what alerts mean ----


def rows(document: str, heading: str) -> str:
    """The rows of tables under a heading of the second rank."""
    part = (ROOT / "docs" / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line for line in part.splitlines() if line.startswith("|"))


def metrics() -> set[str]:
    """Every metric that our code declares, by the name that Prometheus shows."""
    declared = re.compile(r"\.(counter|gauge|histogram)\(\s*\"(singr_\w+)\"")
    sources = [path.read_text() for each in distributions() for path in each.modules()]
    return {
        f"{name.removesuffix('_total')}_total" if kind == "counter" else name
        for source in sources
        for kind, name in declared.findall(source)
    }


def test_every_metric_is_named_among_what_to_watch() -> None:
    assert {"singr_jobs_total", "singr_idempotency_total", "singr_queue_depth"} <= metrics()
    watched = rows("DEPLOYMENT.md", "What to watch")
    assert [name for name in sorted(metrics()) if not re.search(rf"`{name}\b", watched)] == []


def test_every_alert_is_among_what_to_watch_and_has_what_to_do() -> None:
    alerts = re.findall(r"- alert: (\w+)", (DOCKER / "alerts.yml").read_text())
    assert len(alerts) > 10
    for document, heading in (("DEPLOYMENT.md", "What to watch"), ("OPERATIONS.md", "What alerts mean")):
        named = rows(document, heading)
        assert [alert for alert in alerts if f"`{alert}`" not in named] == [], document


# ---- commands, here and in the files of docker/ ----


def commands() -> list[tuple[str, str, str]]:
    """Every command of ours that these files tell somebody to run: program, subcommand, options."""
    texts = [path.read_text() for path in (*DOCKER.iterdir(), *(ROOT / "docs").glob("*.md"), ROOT / "Makefile")]
    joined = "\n".join(texts).replace('", "', " ").replace("[singr-worker, run]", " singr-worker run")
    joined = joined.replace('"singr-', " singr-").replace("`", " ")
    return sorted({(match[1], match[2], match[3]) for match in COMMAND.finditer(joined)})


def test_the_files_use_our_commands() -> None:
    found = {(program, command) for program, command, _ in commands()}
    assert {("singr-api", "serve"), ("singr-worker", "run"), ("singr-db", "upgrade"), ("singr-db", "seed")} <= found


# Asks every program for help in one process: what they load is much the same.
ASKS = """
import contextlib, importlib.metadata, io, json, sys

programs = {found.name: found.load() for found in importlib.metadata.entry_points(group="console_scripts")
            if found.name.startswith("singr-")}
answers = {}
for program, command in json.load(sys.stdin):
    sys.argv = [program, command, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        try:
            code = programs[program]()
        except SystemExit as ended:
            code = ended.code
    answers[f"{program} {command}"] = [code or 0, said.getvalue()]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int, str]]:
    """What each command answers to `--help`, by program and subcommand: exit code and words."""
    asked = json.dumps(sorted({(program, command) for program, command, _ in commands()}))
    done = subprocess.run(
        [sys.executable, "-c", ASKS], input=asked, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize(("program", "command", "options"), commands())
def test_every_command_that_somebody_is_told_to_run_exists(
    program: str, command: str, options: str, helps: dict[str, tuple[int, str]]
) -> None:
    assert os.access(Path(sys.prefix) / "bin" / program, os.X_OK)
    code, said = helps[f"{program} {command}"]
    assert code == 0, said
    assert [option for option in re.findall(r"--[a-z-]+", options) if option not in said] == []
