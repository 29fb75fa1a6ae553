"""A project that has pytest beside singr-jobs gets fixtures for its tests, and pays nothing where it has not."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SHOWN = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
FAILING = """
from uuid import uuid4

import msgspec
import pytest
from singr_jobs import Jobs, PermanentError, enqueue

types = Jobs()


class Charge(msgspec.Struct, tag="test.charge"):
    account: str


@types.handler(Charge)
async def charge(job, context):
    context.log("charging", account=job.account)
    raise context.resource(Bank)(job.account)


class Bank:
    def __call__(self, account):
        return PermanentError("no_account", f"{account} is closed")


@pytest.fixture
def jobs_memory_types():
    return types


@pytest.fixture
def jobs_memory_resources():
    return {Bank: Bank()}


async def test_charges(jobs_memory):
    await enqueue(jobs_memory, Charge("account 7"), organization_id=uuid4())
    await jobs_memory.run_until_done()
    assert jobs_memory.all[0].status == "completed"
"""
UNDECLARED = "def test_nothing(jobs_memory): ...\n"


def run(folder: Path) -> tuple[int, str]:
    """The project's tests, with what is installed for them and nothing of ours beside."""
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "singr_jobs.pytest_plugin", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", f"--rootdir={folder}", *plugins],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def test_a_project_tests_its_jobs_as_the_readme_shows_and_is_told_what_became_of_those_that_failed(
    tmp_path: Path,
) -> None:
    (tmp_path / "greeting.py").write_text(SHOWN[0])
    (tmp_path / "test_greeting.py").write_text(next(code for code in SHOWN if "def jobs_memory_types" in code))
    (tmp_path / "test_charging.py").write_text(FAILING)
    (tmp_path / "test_undeclared.py").write_text(UNDECLARED)
    code, told = run(tmp_path)
    assert code == 1
    assert "1 failed, 1 passed, 1 error" in told
    _, section = re.split(r"-+ jobs in memory -+\n", told)
    job, line, *_ = section.splitlines()
    assert re.fullmatch(r"test\.charge [0-9a-f-]{36} failed, attempt 1 of 3: no_account: account 7 is closed", job)
    assert line == "    1: charging {'account': 'account 7'}"
    assert "give your conftest.py, or this file, a fixture jobs_memory_types" in told


def test_it_is_found_by_pytest_and_asks_nobody_for_pytest() -> None:
    [plugin] = entry_points(group="pytest11", name="singr-jobs")
    assert plugin.value == "singr_jobs.pytest_plugin"
    assert not [line for line in requires("singr-jobs") or () if "pytest" in line]
