"""Which tests of a parallel run stay together."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_MARK = re.compile(r"mark\.xdist_group\([\"']?([\w-]*)")
_FOR_A_FILE = re.compile(r"scope=[\"'](?:module|class)[\"']")


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no type information
    """Hands tests out one by one, but those of the files that are marked with one `xdist_group` together.

    They share an installation that takes seconds to start, or must not run beside each other. So are those of a file
    that has a fixture for all of them: it is made once a run, and not once in each process.
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
    text = file.read_text(encoding="utf-8")
    if (found := _MARK.search(text)) is not None:
        return f"group {found[1] or file}"
    return f"file {file}" if _FOR_A_FILE.search(text) else None
