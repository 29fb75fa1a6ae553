"""Which tests of a parallel run stay together."""

import functools
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_MARK = "mark.xdist_group("


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no type information
    """Hands tests out one by one, but those of a file that is marked `xdist_group` together.

    They share an installation that takes seconds to start, or must not run beside each other.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._root = config.rootpath

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return file if _is_marked(self._root / file) else nodeid


@functools.cache
def _is_marked(file: Path) -> bool:
    # the process that schedules does not collect: it knows names of tests, not their marks
    return _MARK in file.read_text(encoding="utf-8")
