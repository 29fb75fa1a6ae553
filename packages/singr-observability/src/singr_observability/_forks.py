"""Locks, buffers and threads do not survive a fork in the child: whoever owns one is told."""

import os
import threading
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """What has to happen around `os.fork`; the three are called in the forking thread."""

    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


class _Registry:
    def __init__(self) -> None:
        self._members: weakref.WeakSet[ForkAware] = weakref.WeakSet()
        self._forking: list[ForkAware] = []
        self._hooked = False
        self._lock = threading.Lock()

    def add(self, member: ForkAware) -> None:
        with self._lock:
            self._members.add(member)
            if not self._hooked and hasattr(os, "register_at_fork"):
                os.register_at_fork(before=self._before, after_in_parent=self._parent, after_in_child=self._child)
                self._hooked = True

    def discard(self, member: ForkAware) -> None:
        with self._lock:
            self._members.discard(member)

    def _before(self) -> None:
        self._forking = list(self._members)
        for member in self._forking:
            member.before_fork()

    def _parent(self) -> None:
        for member in self._forking:
            member.after_fork_in_parent()
        self._forking = []

    def _child(self) -> None:
        self._lock = threading.Lock()
        for member in self._forking:
            member.after_fork_in_child()
        self._forking = []


forks = _Registry()
