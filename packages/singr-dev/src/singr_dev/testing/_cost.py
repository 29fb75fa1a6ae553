"""What tests cost: seconds of processor time, user and system, of a test's process and of the processes it started.

Unlike the clock on the wall it says the same on a busy machine. The servers that all tests share are in the run's sum
and in no test's figure.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Generator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

PHASES = ("setup", "call", "teardown")
_WORTH_TELLING = 0.05  # seconds


def spent() -> float:
    """Processor time of this process and of those of its children that have ended, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meter:
    """Measures each test's phases and each fixture's set-up, in the process that runs them."""

    def __init__(self) -> None:
        self._inner = [0.0]
        self._fixtures: dict[str, float] = {}
        self._phase = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Count what the fixture itself spends, without those that it asks for while it is made."""
        began = spent()
        self._inner.append(0.0)
        try:
            return (yield)
        finally:
            whole = spent() - began
            own = whole - self._inner.pop()
            self._inner[-1] += whole
            name = f"{fixturedef.baseid}::{fixturedef.argname}" if fixturedef.baseid else fixturedef.argname
            self._fixtures[name] = self._fixtures.get(name, 0.0) + own

    def _phase_of(self) -> Generator[None, object, object]:
        began = spent()
        try:
            return (yield)
        finally:
            self._phase = spent() - began

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Time what the test stands on."""
        return (yield from self._phase_of())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Time the test itself."""
        return (yield from self._phase_of())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Time what is cleared away."""
        return (yield from self._phase_of())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the figures along with the report: they travel to the process that prints."""
        report = yield
        report.singr_cpu = self._phase  # type: ignore[attr-defined] # read by Costs
        report.singr_fixtures = self._fixtures  # type: ignore[attr-defined]
        self._fixtures = {}
        return report


def folded(reports: Sequence[pytest.TestReport]) -> list[pytest.TestReport]:
    """Leave out set-up and tear-down of a test that passed, where they took next to nothing: it tells their cost."""
    call: Any = next((report for report in reports if report.when == "call"), None)
    if call is None or not all(report.passed for report in reports):
        return list(reports)
    told = []
    for report in reports:
        seconds = getattr(report, "singr_cpu", 0.0)
        if report is call or max(seconds, report.duration) > _WORTH_TELLING:
            told.append(report)
        elif hasattr(call, "singr_cpu"):
            call.singr_cpu += seconds
            for name, own in getattr(report, "singr_fixtures", {}).items():
                call.singr_fixtures[name] = call.singr_fixtures.get(name, 0.0) + own
    return told


class Costs:
    """Collects the figures in the process that prints: the sum, and with `--costs N` the N dearest of each sort."""

    def __init__(self, config: pytest.Config) -> None:
        self._shown = config.getoption("--costs")
        self._phases: dict[tuple[str, str], float] = {}
        self._fixtures: defaultdict[str, float] = defaultdict(float)
        self._times: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a phase of a test has cost."""
        self._phases[report.nodeid, report.when] = getattr(report, "singr_cpu", 0.0)
        for name, seconds in getattr(report, "singr_fixtures", {}).items():
            self._fixtures[name] += seconds
            self._times[name] += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the dearest fixtures, files and tests."""
        if not self._shown:
            return
        files: defaultdict[str, float] = defaultdict(float)
        counts: Counter[str] = Counter()
        for (nodeid, phase), seconds in self._phases.items():
            file = nodeid.split("::", 1)[0]
            files[file] += seconds
            counts[file] += phase == "call"
        tests = {f"{nodeid} ({phase})": seconds for (nodeid, phase), seconds in self._phases.items()}
        once: Counter[str] = Counter()
        for title, costs, often in (
            ("fixtures", self._fixtures, self._times),
            ("files", files, counts),
            ("tests", tests, once),
        ):
            terminalreporter.section(f"dearest {title}", sep="-")
            for name, seconds in sorted(costs.items(), key=itemgetter(1), reverse=True)[: self._shown]:
                terminalreporter.write_line(f"{seconds:8.2f} {often[name] or '':>5} {name}")

    def say(self) -> None:
        """Print the sum, once everything that the run has started is gone: servers and processes of tests are in it."""
        print(f"CPU-seconds: {spent():.0f} (user and system, all processes)")  # noqa: T201 — the run's last word


class Budget:
    """Names the tests that cost more than they may and are not in the list of those that are known to; fails the run.

    A set-up may cost 10 CPU-seconds, and a unit test (one of a package or app) one. Only half as much again
    fails the run: a busy machine takes longer for the same, and now and then a collection of garbage falls on somebody.

    Args:
        known: a file with the start of a test's name in each line, and after two spaces why it costs what it costs.
    """

    SETUP = 10.0
    UNIT_TEST = 1.0
    UNITS = ("packages/", "apps/")
    FAILS_AT = 1.5

    def __init__(self, known: Path) -> None:
        lines = known.read_text(encoding="utf-8").splitlines()
        self._list = known.name
        self._known = tuple(line.split("  ", 1)[0].strip() for line in lines if line and not line.startswith("#"))
        self._over: list[str] = []
        self._fails = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase that costs too much."""
        seconds = getattr(report, "singr_cpu", 0.0)
        unit = report.when == "call" and report.nodeid.startswith(self.UNITS)
        allowed = self.UNIT_TEST if unit else self.SETUP if report.when == "setup" else None
        if allowed is not None and seconds > allowed and not report.nodeid.startswith(self._known):
            self._fails |= seconds > allowed * self.FAILS_AT
            self._over.append(f"{report.nodeid} ({report.when}): {seconds:.1f} CPU-seconds of {allowed:.0f}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run."""
        if self._fails and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which, and what would be right."""
        if self._over:
            terminalreporter.section("over the budget", sep="=", red=True)
            for line in self._over:
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"Make it cheaper, or write it into {self._list} with the reason.")
