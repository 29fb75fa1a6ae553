"""Lines that say what is being done and how long it took."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

_WIDTH = 44


class Progress:
    """Writes to a terminal or a file; a terminal that is gone is no reason to fail."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def say(self, text: str = "") -> None:
        """One line (or several)."""
        self._write(f"{text}\n")

    def note(self, text: str) -> None:
        """A line within a step, which goes on."""
        self._write(f"\n    {text}\n" + "  still waiting ".ljust(_WIDTH, "."))

    @contextlib.contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Name what is being done, and when it is done how long it took."""
        began = time.monotonic()
        self._write(f"  {doing} ".ljust(_WIDTH, "."))
        try:
            yield
        except BaseException:
            self._write(" not done\n")
            raise
        self._write(f" {time.monotonic() - began:5.1f} s\n")

    def facts(self, rows: list[tuple[str, str]]) -> None:
        """Names and values, aligned."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._write(f"  {name.ljust(width)}  {value}\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()
