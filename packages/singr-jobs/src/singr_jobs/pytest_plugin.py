"""Fixtures for tests of code that enqueues, and of handlers: jobs in memory, by a clock of their own (see README).

pytest loads it by itself; a project without pytest never does. What a fixture needs is imported once a test asks.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from singr_jobs import Jobs
    from singr_jobs.testing import InMemoryJobs, MemoryJob

_MOST_TOLD: Final = 20
_UNDECLARED: Final = (
    "jobs_memory knows no job type: give your conftest.py, or this file, a fixture jobs_memory_types that returns your"
    " Jobs, those of the handlers that shall run"
)
_MEMORY: Final = pytest.StashKey["InMemoryJobs"]()


@pytest.fixture
def jobs_memory_types() -> "Jobs":
    """The `Jobs` whose handlers `jobs_memory` runs: to be replaced by yours."""
    pytest.fail(_UNDECLARED, pytrace=False)


@pytest.fixture
def jobs_memory_resources() -> Mapping[type, Any]:
    """What handlers get by `context.resource`: to be replaced where yours ask for something."""
    return {}


@pytest.fixture
def jobs_memory(
    request: pytest.FixtureRequest, jobs_memory_types: "Jobs", jobs_memory_resources: Mapping[type, Any]
) -> "InMemoryJobs":
    """Jobs in memory in place of a session: `enqueue(jobs_memory, …)`, `advance`, `run_due`, `run_until_done`.

    Where the test fails, its report tells what became of each job.
    """
    from singr_jobs.testing import InMemoryJobs  # noqa: PLC0415 - needs the extra `worker`, and says so

    memory = InMemoryJobs(jobs_memory_types, resources=jobs_memory_resources)
    request.node.stash[_MEMORY] = memory
    return memory


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of the jobs of a test that fails."""
    report = yield
    memory = item.stash.get(_MEMORY, None)
    if memory is not None and report.failed and memory.all:
        report.sections.append(("jobs in memory", "\n".join(_told(memory.all))))
    return report


def _told(jobs: "list[MemoryJob]") -> Iterable[str]:
    for job in jobs[-_MOST_TOLD:]:
        error = "" if job.error is None else f": {job.error.code}: {job.error.message}"
        yield f"{job.type} {job.id} {job.status}, attempt {job.attempt} of {job.max_attempts}{error}"
        yield from (f"    {line.attempt}: {line.message} {line.fields or ''}".rstrip() for line in job.logs)
    if len(jobs) > _MOST_TOLD:
        yield f"and {len(jobs) - _MOST_TOLD} before them"
