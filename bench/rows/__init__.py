"""What is measured: each module here is a bench, found by its name, whose `run` gives its rows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from bench.figures import Row
from bench.harness import Stand


def names() -> list[str]:
    """The benches, as `--only` takes them."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__))


def bench(name: str) -> Callable[[Stand], list[Row]]:
    """The bench of that name."""
    run: Callable[[Stand], list[Row]] = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").run
    return run
