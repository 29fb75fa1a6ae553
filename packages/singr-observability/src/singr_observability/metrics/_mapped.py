"""prometheus_client's mapped files, made safe on a full disk.

A page of a mapped file that the disk has no room for kills the process that touches it (SIGBUS). So room is taken
before the file is mapped or grown: where there is none, that is an `OSError`, and the file stays as it was.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from singr_observability.metrics._prometheus import MmapedDict

if TYPE_CHECKING:
    Base = Any  # prometheus_client carries no types
else:
    Base = MmapedDict

_SMALLEST: Final = 1 << 16
# Of an entry beside its key: two lengths, padding, value and time.
_ENTRY: Final = 40


class MappedValues(Base):  # type: ignore[misc]  # see above
    """Doubles by key in a mapped file; not safe for threads.

    Raises:
        OSError: the disk has no room, or the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        made = not path.exists()
        try:
            _take_room(path, _SMALLEST)
            super().__init__(str(path))
        except OSError:
            if made:
                path.unlink(missing_ok=True)  # an empty file is none: whoever reads it would stumble
            raise
        self._path = path

    def make_room(self, keys: list[str]) -> None:
        """Take room for these keys at once, so that writing them cannot fail half-way."""
        missing = sum(len(key.encode()) + _ENTRY for key in keys if key not in self._positions)
        capacity = self._capacity
        while self._used + missing > capacity:
            capacity *= 2
        if capacity > self._capacity:
            _take_room(self._path, capacity)

    def _init_value(self, key: str) -> None:
        self.make_room([key])
        super()._init_value(key)


def _take_room(path: Path, size: int) -> None:
    """Allocate at least `size` bytes of the file, its holes included."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        allocate = getattr(os, "posix_fallocate", None)  # not on macOS: there a full disk is met as it comes
        if allocate is not None:
            allocate(descriptor, 0, max(size, os.fstat(descriptor).st_size))
    finally:
        with suppress(OSError):
            os.close(descriptor)
