"""What a breakage is: the product, changed on purpose, so that a named test must fail and must say why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """`old` stands exactly once in `file` (a path from the root of the repository); `new` takes its place."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Write the changed file.

        Raises:
            ValueError: the text is not there, or is there more than once.
        """
        path = root / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds this {found} times, not once:\n{self.old}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Breakage:
    """One way to break a row's promise.

    Attributes:
        name: short and unique; the command line takes it.
        row: the row of docs/RELIABILITY.md whose test must notice.
        breaks: what is broken, for readers.
        edits: how.
        test: the pytest node that must fail.
        shows: text that the failure must hold, so that it fails for this reason and no other.
        did: what the broken build did, for readers.
    """

    name: str
    row: str
    breaks: str
    edits: tuple[Edit, ...]
    test: str
    shows: str
    did: str


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        short: tests of `make test`.
        full: tests of `make faults` (R rows) or `make security` (S rows).
    """

    name: str
    promise: str
    short: tuple[str, ...]
    full: tuple[str, ...]

    @property
    def command(self) -> str:
        """What runs the full form."""
        return "make faults" if self.name.startswith("R") else "make security"
