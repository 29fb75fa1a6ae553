"""What this run has found, for the tests that ask which tests there are."""

import pytest

Marked = dict[str, bool]
FOUND = pytest.StashKey[Marked]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note all tests, before any is left out: each with whether it is a long form."""
    config.stash[FOUND] = {item.nodeid: item.get_closest_marker("full") is not None for item in items}


@pytest.fixture(scope="session")
def found_by_this_run(pytestconfig: pytest.Config) -> Marked:
    """The tests of all files that this run has read in whole."""
    in_part = any("::" in word for word in pytestconfig.args) or pytestconfig.getoption("lf", default=False)
    return {} if in_part else pytestconfig.stash[FOUND]
