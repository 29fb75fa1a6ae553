"""Which tests of a parallel run stay together."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_MARK = re.compile(r"mark\.xdist_group\([\"']?([\w-]*)")
_GROUP = "group "
_FOR_A_FILE = re.compile(r"scope=[\"'](?:module|class)[\"']")


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist ships no type information
    """Hands tests out one by one, but those of the files that are marked with one `xdist_group` together.

    They share an installation that takes seconds to start, or must not run beside each other. So are those of a file
    that has a fixture for all of them: it is made once a run, and not once in each process.

    One process of three begins with those groups, whose tests mostly wait for processes of their own, and goes on in
    the order of the collection; the others come towards it from the end. So at most times somebody has work that needs
    a processor: all in one place, they would wait together, and work together later.

    What pytest-xdist does for each test over all that were ever handed out, or collected, is done over what is left:
    with eight thousand tests, a dozen CPU-seconds.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by how many they are, which says nothing of how long they take
        self._root = config.rootpath
        self._places: dict[str, int] = {}

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note it, and forget what is done."""
        del duration
        nodeid = self.registered_collections[node][item_index]
        scope, work = self._split_scope(nodeid), self.assigned_work[node]
        work[scope][nodeid] = True
        if all(work[scope].values()):
            del work[scope]
        self._reschedule(node)

    def schedule(self) -> None:
        """Begin, or let a process take the place of one that ended: with two tests, for each waits for the next."""
        super().schedule()
        super().schedule()

    def remove_node(self, node: Any) -> str | None:
        """Give to others what a process that ended has left, but not what it ran: that would end them as well."""
        work = self.assigned_work.pop(node)
        left = [(scope, nodeid) for scope, unit in work.items() for nodeid, done in unit.items() if not done]
        if not left:
            return None
        (scope, ran), *others = left
        work[scope][ran] = True
        self.workqueue.update({scope: work[scope] for scope, _ in others})
        for other in self.nodes:
            self._reschedule(other)
        return str(ran)

    def _assign_work_unit(self, node: Any) -> None:
        if not self._places:  # the processes have collected the same
            self._places = {nodeid: place for place, nodeid in enumerate(self.collection)}
            for scope in [scope for scope in reversed(self.workqueue) if scope.startswith(_GROUP)]:
                self.workqueue.move_to_end(scope, last=False)
        ahead = self.nodes[: max(1, len(self.nodes) // 3)]
        scope, unit = self.workqueue.popitem(last=node not in ahead)
        self.assigned_work[node][scope] = unit
        node.send_runtest_some([self._places[nodeid] for nodeid, done in unit.items() if not done])

    def _split_scope(self, nodeid: str) -> str:
        group = _group_of(self._root / nodeid.split("::", 1)[0])
        return nodeid if group is None else group


@functools.cache
def _group_of(file: Path) -> str | None:
    # the process that schedules does not collect: it knows names of tests, not their marks
    text = file.read_text(encoding="utf-8")
    if (found := _MARK.search(text)) is not None:
        return f"{_GROUP}{found[1] or file}"
    return f"file {file}" if _FOR_A_FILE.search(text) else None
