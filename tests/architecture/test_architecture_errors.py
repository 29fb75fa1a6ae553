"""Every error of ours crosses processes as it was raised: a pool of processes pickles what its functions raise."""

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

PACKAGES = ("singr_auth", "singr_comms", "singr_config", "singr_db", "singr_jobs", "singr_observability")


def errors() -> Iterator[type[BaseException]]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if "versions" in found.name or found.name.endswith("__main__"):  # migrations, and what runs when imported
                continue
            module = importlib.import_module(found.name)
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, BaseException) and kind.__module__ == module.__name__:
                    yield kind


@pytest.mark.parametrize("kind", list(errors()), ids=lambda kind: kind.__qualname__)
def test_every_error_is_pickled_and_copied_as_it_was_raised(kind: type[BaseException]) -> None:
    error = kind.__new__(kind, "what it says")
    error.detail = 7  # type: ignore[attr-defined]  # as its `__init__` sets its own
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again), vars(again)) == (kind, str(error), {"detail": 7})
