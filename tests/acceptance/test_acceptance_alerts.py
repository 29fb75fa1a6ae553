"""Every alert rule asks for what a running system says: its metrics, their labels, and values that these take."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from architecture.repository import ROOT
from sites import until

from acceptance.system import System, address, number
from singr_dev.testing import absent

pytestmark = pytest.mark.xdist_group("acceptance")

RULES = ROOT / "docker" / "alerts.yml"
SELECTOR = re.compile(r"\b(singr_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? \S+", re.MULTILINE)
# What is there only once a worker has died, which would be long in coming here.
RARE = {"singr_digests_held_total", "singr_handlers_given_up", "singr_jobs_stalled_total", "singr_provider_refused"}
Labels = dict[str, str]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def series(system: System) -> dict[str, list[Labels]]:
    """What API and worker export after some work, some of it in vain."""
    caller = system.caller()
    system.twilio.fail_next(400, times=5)
    for job in (caller.email(address()), caller.sms(number(), attempts=1)):
        caller.ended(job)
    httpx.get(f"{system.api.address}/v1/jobs", headers={"x-api-key": "nobody's"}, trust_env=False)
    found: dict[str, list[Labels]] = {}

    def complete() -> bool:
        found.clear()
        for process in (system.api, system.worker):
            for name, labels in SERIES.findall(process.get("/metrics").text):
                found.setdefault(name, []).append({n: v for n, _, v in MATCHER.findall(labels)})
        ends = {labels["outcome"] for labels in found.get("singr_jobs_total", ())}  # counted after they are stored
        return "singr_queue_depth" in found and "singr_sends_total" in found and {"completed", "failed"} <= ends

    until(complete, within=20, what="both have said what they count")
    return found


def matches(labels: Labels, matchers: list[tuple[str, str, str]]) -> bool:
    tests = {
        "=": lambda has, wants: has == wants,
        "!=": lambda has, wants: has != wants,
        "=~": lambda has, wants: re.fullmatch(wants, has) is not None,
        "!~": lambda has, wants: re.fullmatch(wants, has) is None,
    }
    return all(tests[how](labels.get(name, ""), value) for name, how, value in matchers)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_asks_for_what_is_there(series: dict[str, list[Labels]], rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    for name, text in SELECTOR.findall(expression):
        if name in RARE and name not in series:
            continue
        assert name in series, f"{name} is exported by nobody"
        matchers = MATCHER.findall(text)
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expression))))
        for label in {label for label, _, _ in matchers} | grouped:
            assert all(label in labels for labels in series[name]), f"{name} has no label {label}"
        found = [labels for labels in series[name] if matches(labels, matchers)]
        if name != "singr_http_requests_total":  # no request fails here
            assert found, f"{name}{{{text}}} matches nothing"
        if matchers:
            assert len(found) < len(series[name]), f"{name}{{{text}}} matches everything"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_what_every_worker_exports_alike_is_not_added_up(rule: dict[str, Any]) -> None:
    gauges = "queue_depth jobs_unknown sweeper_lag_seconds provider_refused retention_held_up vacuum_held_seconds"
    gauges += " schedules_late_seconds messages_held_up digests_late_seconds notifications_overdue"
    gauges += " standing_work_paused_seconds"
    for gauge in (f"singr_{name}" for name in gauges.split()):
        assert not re.search(rf"(sum|count)[^(]*\([^)]*\b{gauge}\b", rule["expr"])


SINGLE = [rule for rule in rules() if re.search(r"increase\([^)]*\)+ > 0", rule["expr"])]


@pytest.mark.parametrize("rule", SINGLE, ids=lambda rule: str(rule["alert"]))
def test_a_rule_of_single_events_counts_a_series_that_is_born_with_one(rule: dict[str, Any]) -> None:
    selector, window = re.findall(r"increase\(([^\[]*)\[(\w+)\]", rule["expr"])[0]
    assert f"({selector} unless {selector} offset {window}) > 0" in rule["expr"]


FIRST_EVENTS = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'singr_jobs_stalled_total{{queue="email"}}', values: '_x20 1x20'}}
      - {{series: 'singr_http_requests_total{{route="/v1/jobs",status="500"}}', values: '_x20 1x20'}}
    alert_rule_test:
      - eval_time: 22m
        alertname: SingrWorkersDie
        exp_alerts: [{{exp_labels: {{queue: email, severity: warning}}}}]
      - {{eval_time: 35m, alertname: SingrWorkersDie, exp_alerts: []}}
      - eval_time: 22m
        alertname: SingrCallersSeeErrors
        exp_alerts: [{{exp_labels: {{route: /v1/jobs, severity: warning}}}}]
"""


@pytest.fixture
def promtool() -> str:
    """Prometheus' own reader of rules; most of what it reads is checked without it, above."""
    found = shutil.which("promtool")
    if found is None:
        absent("promtool is not installed here (Debian: apt-get install prometheus)")
    return found


STAYS_OPEN = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'singr_vacuum_held_seconds{{instance="one"}}', values: '0+60x20 0x10'}}
      - {{series: 'singr_vacuum_held_seconds{{instance="two"}}', values: '0x30'}}
    alert_rule_test:
      - {{eval_time: 10m, alertname: SingrLongTransaction, exp_alerts: []}}
      - eval_time: 13m
        alertname: SingrLongTransaction
        exp_alerts: [{{exp_labels: {{severity: warning}}}}]
      - {{eval_time: 22m, alertname: SingrLongTransaction, exp_alerts: []}}
"""


GO_ON = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'singr_handlers_given_up{{queue="email",instance="one"}}', values: '0x5 1x5 0x5 1x15'}}
      - {{series: 'singr_handlers_given_up{{queue="sms",instance="one"}}', values: '0x30'}}
    alert_rule_test:
      - {{eval_time: 10m, alertname: SingrHandlersGoOn, exp_alerts: []}}
      - eval_time: 25m
        alertname: SingrHandlersGoOn
        exp_alerts: [{{exp_labels: {{queue: email, severity: warning}}}}]
"""


def test_handlers_that_go_on_for_five_minutes_alert(tmp_path: Path, promtool: str) -> None:
    assert_alerts(GO_ON, tmp_path, promtool)


def test_the_first_event_alerts(tmp_path: Path, promtool: str) -> None:
    assert_alerts(FIRST_EVENTS, tmp_path, promtool)


def test_a_transaction_that_stays_open_for_ten_minutes_alerts(tmp_path: Path, promtool: str) -> None:
    assert_alerts(STAYS_OPEN, tmp_path, promtool)


def assert_alerts(tests: str, tmp_path: Path, promtool: str) -> None:
    """Assert that the rules alert as Prometheus' own test of rules expects."""
    (bare := tmp_path / "alerts.yml").write_text(re.sub(r"\n +annotations:\n +summary: .*", "", RULES.read_text()))
    (tmp_path / "tests.yml").write_text(tests.format(rules=bare))
    done = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_prometheus_own(system: System, promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
