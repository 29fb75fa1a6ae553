"""How answers are shown: a table for people, JSON, JSON Lines or CSV for programs; never others' control characters."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from singr_cli._clean import clean, to_json

if TYPE_CHECKING:
    from rich.console import Console

FORMATS: Final = ("table", "json", "jsonl", "csv")
_COLORS: Final = {
    **dict.fromkeys(("failed", "refused", "unavailable", "fail"), "red"),
    **dict.fromkeys(("completed", "active", "done", "ok"), "green"),
    **dict.fromkeys(("paused", "missed", "skipped", "stopped", "degraded", "warn"), "yellow"),
}
_WIDE: Final = 1_000
# What begins a formula where a spreadsheet opens it (OWASP, CSV injection), and the wide forms of the same signs.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\\t", "\\r", "\\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Output:
    """Shows answers on a stream.

    Args:
        form: one of `FORMATS`; unless told a table on a terminal, and JSON Lines elsewhere.
    """

    def __init__(self, form: str | None, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.format = form or ("table" if self.stream.isatty() else "jsonl")

    def items(self, items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        """Show a list as it arrives, a table when it is whole; return how many there were."""
        if self.format == "json":
            whole = list(items)
            self._line(to_json(whole, indent=2))
            return len(whole)
        if self.format == "table":
            rows = [[_cell(_at(item, column)) for column in columns] for item in items]
            self._table(columns, rows)
            return len(rows)
        writer = csv.writer(self.stream, lineterminator="\n") if self.format == "csv" else None
        if writer:
            writer.writerow(columns)
        count = 0
        for count, item in enumerate(items, 1):  # noqa: B007 — is the answer
            if writer:
                writer.writerow([_text_cell(_at(item, column)) for column in columns])
            else:
                self._line(to_json(item))
        return count

    def one(self, item: Any, parts: Sequence[tuple[str, Sequence[str]]] = ()) -> None:
        """Show one thing: a table of its fields, and one of each part of it that is a list."""
        if self.format in {"json", "jsonl"} or not isinstance(item, Mapping):
            self._line(to_json(item, indent=2 if self.format == "json" else None))
            return
        lists = dict(parts)
        flat = [(name, value) for name, value in _flat(item) if name not in lists]
        if self.format == "csv":
            writer = csv.writer(self.stream, lineterminator="\n")
            writer.writerow(_text_cell(name) for name, _ in flat)
            writer.writerow(_text_cell(value) for _, value in flat)
            return
        fields = [[clean(name), _cell(value)] for name, value in flat]
        self._table((), fields)
        for name, columns in parts:
            if rows := item.get(name):
                self._line(f"\n{name}")
                self._table(columns, [[_cell(_at(row, column)) for column in columns] for row in rows])

    def say(self, text: str) -> None:
        """Tell people something that is no part of the answer."""
        print(clean(text), file=sys.stderr, flush=True)  # noqa: T201 — a command line speaks

    def _line(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.table import Table  # noqa: PLC0415 — takes its time, and programs read none

        table = Table(box=None, pad_edge=False, show_header=bool(columns), header_style="bold")
        for column in columns or ("", ""):
            table.add_column(column.upper().replace("_", " ").replace(".", " "), overflow="fold")
        for row in rows:
            table.add_row(*(_text(value) for value in row))
        self.console().print(table)

    def console(self) -> "Console":
        """Return the terminal, as wide as it is; a file is as wide as its text."""
        from rich.console import Console  # noqa: PLC0415 — likewise

        terminal = self.stream.isatty()
        return Console(file=self.stream, width=None if terminal else _WIDE, highlight=False, markup=False, emoji=False)


def _text(value: str) -> Any:
    from rich.text import Text  # noqa: PLC0415 — likewise

    return Text(value, style=_COLORS.get(value, ""))  # never markup: it is other people's text


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case _:
            return clean(value)


def _text_cell(value: Any) -> str:
    """Return a cell of CSV: text is text in a spreadsheet, too, and never a formula; numbers stay numbers."""
    cell = _cell(value)
    return f"'{cell}" if isinstance(value, str) and cell.lstrip(" ").startswith(_FORMULA) else cell


def _at(item: Mapping[str, Any], column: str) -> Any:
    """Return what lies at `error.code`, say."""
    value: Any = item
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flat(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None and value not in ([], {}):
            yield f"{prefix}{name}", value
