"""How far things are: bars on a terminal, a line for each change elsewhere; on standard error, beside the answer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from singr_cli._clean import clean


class Standing(NamedTuple):
    """How far something is: in words, and as a part of a whole where that is known."""

    words: str
    done: int = 0
    of: int | None = None


Tell = Callable[[str, Standing], None]


@contextmanager
def progress() -> Iterator[Tell]:
    """Tell how things stand, by their names, until the block ends."""
    with _bars() if sys.stderr.isatty() else _lines() as tell:
        yield tell


@contextmanager
def _lines() -> Iterator[Tell]:
    seen: dict[str, Standing] = {}

    def tell(name: str, standing: Standing) -> None:
        if seen.get(name) != standing:
            seen[name] = standing
            share = "" if standing.of is None else f", {standing.done} of {standing.of}"
            print(clean(f"{name}: {standing.words}{share}"), file=sys.stderr, flush=True)  # noqa: T201 — for people

    yield tell


@contextmanager
def _bars() -> Iterator[Tell]:
    from rich.console import Console  # noqa: PLC0415 — takes its time, and few wait
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn  # noqa: PLC0415 — likewise

    columns = (TextColumn("{task.fields[said]}", markup=False), BarColumn(), MofNCompleteColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True, markup=False, emoji=False)) as shown:

        def tell(name: str, standing: Standing) -> None:
            said = clean(f"{name}: {standing.words}")
            if name not in tasks:
                tasks[name] = shown.add_task("", said=said)
            shown.update(tasks[name], completed=standing.done, total=standing.of, said=said)

        yield tell
