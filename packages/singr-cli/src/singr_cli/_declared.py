"""What a command is: one declaration, from which its options, its request and its answer's form follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from singr_cli._running import Run

Kind = Literal["text", "integer", "number", "flag", "json", "value", "texts"]


@dataclass(frozen=True)
class Field:
    """Something that a command is told, and sends.

    Attributes:
        name: its name in the API; the option is the same with hyphens.
        help: one line.
        kind: `json` is written as JSON, or `@FILE`, or `-` for standard input; a `value` is a word, a number or null;
            `texts` are told one by one, by the option again and again.
        choices: the words that there are.
        at: where it goes in the body, `job.type` say; its name, unless told.
        argument: it is told by its place, and not by an option.
        sent: whether it is part of the request; otherwise it is the command's own.
    """

    name: str
    help: str
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    required: bool = False
    default: Any = None
    at: str = ""
    argument: bool = False
    sent: bool = True

    @property
    def option(self) -> str:
        """How it is told."""
        return self.name.upper() if self.argument else f"--{self.name.replace('_', '-')}"

    @property
    def path(self) -> tuple[str, ...]:
        """Where it goes in the body."""
        return tuple((self.at or self.name).split("."))


@dataclass(frozen=True)
class Command:
    """A route of the API as a command.

    Attributes:
        name: the last word of it.
        route: method and path as the API documents them; what stands in braces is told by its place.
        help: what it does, in a line.
        fields: the query of a GET, the body of anything else.
        columns: what a table shows of each item; a command with columns and no path parameter lists.
        paged: a list comes page by page; otherwise it comes whole.
        organization: where an organization is named, if anywhere.
        parts: lists within the answer that are shown as tables of their own, with their columns.
        rows: the list within the answer that CSV has in its place, a line each, with columns of either.
        fixed: what the body says in any case.
        from_file: the whole body may come from a file, too.
        asks: the question before it is done, where it cannot be taken back; `{count}` is how many, and `{s}` an s
            where these are not one.
        dry_run: the server itself can say what would be done: it is told by this field of the body.
        only_asks: a POST that changes nothing, and so takes no Idempotency-Key.
        every: the route that tells of all, where none is named.
        carry: does it, where one request is not all; returns the exit status.
    """

    name: str
    route: str
    help: str
    fields: tuple[Field, ...] = ()
    columns: tuple[str, ...] = ()
    paged: bool = True
    organization: Literal["query", "body", "none"] = "query"
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rows: tuple[str, tuple[str, ...]] | None = None
    fixed: tuple[tuple[str, Any], ...] = ()
    from_file: bool = False
    asks: str = ""
    dry_run: str = ""
    only_asks: bool = False
    every: str = ""
    carry: "Callable[[Run], int] | None" = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.route.split(" ")[0]

    @property
    def path(self) -> str:
        """The path, with its parameter in braces."""
        return self.route.split(" ")[1]

    @property
    def parameter(self) -> str:
        """The name of what the path is of; empty where it has none."""
        return self.path.partition("{")[2].partition("}")[0]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    @property
    def keyed(self) -> bool:
        """Whether it is done once, however often it is asked for under one Idempotency-Key."""
        return self.method == "POST" and not self.only_asks

    @property
    def lists(self) -> bool:
        """Whether it answers a list of items."""
        return self.reads and bool(self.columns)


@dataclass(frozen=True)
class Group:
    """Commands of one matter, in a file of its own in `commands/`, which is found by its name there."""

    help: str
    commands: tuple[Command, ...]
