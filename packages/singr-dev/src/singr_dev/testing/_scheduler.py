"""Which tests of a parallel run stay together."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_MARK = re.compile(r"mark\.xdist_group\([\"']?([\w-]*)")


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no type information
    """Hands tests out one by one, but those of the files that are marked with one `xdist_group` together.

    They share an installation that takes seconds to start, or must not run beside each other.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._root = config.rootpath

    def _split_scope(self, nodeid: str) -> str:
        group = _group_of(self._root / nodeid.split("::", 1)[0])
        return nodeid if group is None else group


@functools.cache
def _group_of(file: Path) -> str | None:
    # the process that schedules does not collect: it knows names of tests, not their marks
    found = _MARK.search(file.read_text(encoding="utf-8"))
    return found and f"group {found[1] or file}"
