"""Carrying out a command: its request built from what was told, its answer shown, its outcome as an exit status."""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import typer

from singr_cli._clean import clean
from singr_cli._declared import Command, Field
from singr_cli._errors import CliError, Code
from singr_cli._http import Api, new_key
from singr_cli._output import Output
from singr_cli._profiles import Profile, chosen
from singr_cli._progress import Standing, progress

WITHIN: Final = Field(
    "within", "Seconds to wait at most (or --timeout); exit code 5 after that.", kind="number", sent=False
)
"""How long a command waits for what goes on."""
_LARGEST_FILE: Final = 16 * 1024 * 1024
_LONGEST_S: Final = 100_000_000.0
_IS_KEY: Final = re.compile(r"[\x21\x23-\x7e]{1,255}", re.ASCII).fullmatch  # as the API has it


class Run:
    """One call of a command.

    Attributes:
        told: what was told, by the names of the fields; None where nothing was.
        ids: what the path names, in the order of the command line.
    """

    def __init__(self, command: Command, told: Mapping[str, Any]) -> None:
        self.command = command
        self.told = told
        self.output = Output(told.get("output"))
        named = told.get("ids") or ()
        self.ids: Sequence[str] = _ids([named] if isinstance(named, str) else named)
        self._profile: Profile | None = None

    @property
    def profile(self) -> Profile:
        """Where the API is, and who calls it."""
        if self._profile is None:
            self._profile = chosen(self.told.get("profile"))
        return self._profile

    @property
    def patience(self) -> float | None:
        """Seconds to wait at most for what goes on; None: for as long as it takes."""
        within: float | None = self.told.get("within")
        return self.told.get("timeout") if within is None else within

    def api(self) -> Api:
        """Return the API, to be used with `with`."""
        return Api(self.profile, timeout=self.told.get("timeout"))

    def path(self, identity: str = "") -> str:
        """Return the path of one thing."""
        parameter = self.command.parameter
        return (
            self.command.path.replace(f"{{{parameter}}}", quote(identity, safe="")) if parameter else self.command.path
        )

    def query(self) -> dict[str, Any]:
        """Return the query: the filters of what reads, and whose it is."""
        query = self._organization("query")
        if self.command.reads:
            query |= {field.name: _in_a_query(self.told[field.name]) for field in self._told_fields()}
        return query

    def body(self) -> dict[str, Any] | None:
        """Return the body: from a file, if one is named, and what is told beside it."""
        if self.command.reads or self.command.method == "DELETE":
            return None
        body: dict[str, Any] = {}
        if path := self.told.get("file"):
            body = _document(path)
            if not isinstance(body, dict):
                raise CliError(Code.USAGE, "--file: must hold one JSON object")
        for field in self._told_fields():
            place = body
            for part in field.path[:-1]:
                place = place.setdefault(part, {})
            value = self.told[field.name]
            place[field.path[-1]] = _READ[field.kind](field.option, value) if field.kind in _READ else value
        return {**dict(self.command.fixed), **self._organization("body"), **body} or None

    def key(self) -> str:
        """Return the Idempotency-Key of a request: the one that is told, or a new one; empty where it needs none."""
        told = self.told.get("idempotency_key")
        if told is None:
            return new_key() if self.command.keyed else ""
        if not _IS_KEY(told):
            raise CliError(
                Code.USAGE, "--idempotency-key: must be 1 to 255 visible ASCII characters, and no quotation mark."
            )
        if len(self.ids) > 1:
            raise CliError(Code.USAGE, "--idempotency-key: is the key of one request; name one thing.")
        return str(told)

    def missing(self) -> None:
        """Refuse what cannot be asked for without more."""
        lacking = [field for field in self.command.fields if field.required and self.told.get(field.name) is None]
        if lacking and not self.told.get("file"):
            names = ", ".join(field.option for field in lacking)
            raise CliError(Code.USAGE, f"Missing {names}{' (or --file)' if self.command.from_file else ''}.")
        if self.command.method == "PATCH" and not self._told_fields():
            names = " or ".join(field.option for field in self.command.fields)
            raise CliError(Code.USAGE, f"Say what is to be otherwise: {names}.")

    def seconds(self) -> None:
        """Refuse a time that cannot be waited for."""
        for name, least in {"within": 0.0, "timeout": 0.001, "every": 0.0}.items():
            value = self.told.get(name)
            if isinstance(value, float) and not least <= value <= _LONGEST_S:
                raise CliError(Code.USAGE, f"--{name}: must be {least:g} to {_LONGEST_S:,.0f} seconds.")

    def _told_fields(self) -> Any:
        return [each for each in self.command.fields if each.sent and self.told.get(each.name) not in (None, (), [])]

    def _organization(self, where: str) -> dict[str, Any]:
        named = self.told.get("organization") or (
            self.profile.organization if where == self.command.organization else ""
        )
        return {"organization_id": named} if named and where == self.command.organization else {}


def carry_out(run: Run) -> int:
    """Do what a command says; return the exit status.

    Raises:
        CliError: it could not be done.
    """
    command = run.command
    run.seconds()
    run.missing()
    run.key()  # one that cannot be a key is refused before anything is asked
    if command.carry is not None:
        return command.carry(run)
    if command.reads:
        return _watched(run, _list if command.lists else _show)
    if run.told.get("dry_run") and not command.dry_run:
        return _dry_run(run)
    _confirm(run)
    return _act(run)


def _list(run: Run, api: Api) -> None:
    most = None if run.told.get("all") else run.told.get("limit") or 50
    pages = api.pages if run.command.paged else api.whole
    run.output.items(pages(run.path(*run.ids), run.query(), most=most), run.command.columns)


def _show(run: Run, api: Api) -> None:
    for identity in run.ids or ("",):
        answer = api.call("GET", run.path(identity), query=run.query())
        if run.command.rows is not None and run.output.format == "csv":
            name, columns = run.command.rows
            run.output.items(({**answer, **row} for row in answer[name]), columns)
        else:
            run.output.one(answer, run.command.parts)


def _watched(run: Run, show: Callable[[Run, Api], None]) -> int:
    """Show it; with --watch again and again, until Ctrl-C."""
    with run.api() as api:
        show(run, api)
        while run.told.get("watch"):
            time.sleep(run.told.get("every") or 2)
            if run.output.stream.isatty():
                run.output.console().clear()
            show(run, api)
    return Code.DONE


def _act(run: Run) -> int:
    """Ask for it, of each thing that is named; what is refused is told, and the others go on."""
    query, body = run.query(), run.body()
    if run.told.get("dry_run"):
        body = {**(body or {}), run.command.dry_run: True}
    failures: list[CliError] = []
    targets = run.ids or ("",)
    with run.api() as api:
        for identity in targets:
            try:
                answer = api.call(run.command.method, run.path(identity), query=query, body=body, key=run.key())
            except CliError as error:
                if len(targets) == 1:
                    raise
                run.output.say(f"{identity}:")
                print(error.message, file=sys.stderr)  # noqa: T201 — a command line speaks; it is clean already
                failures.append(error)
            else:
                if answer is not None:
                    run.output.one(answer, run.command.parts)
    if not failures:
        return Code.DONE
    return failures[0].code if len(failures) == len(targets) else Code.IN_PART


def _dry_run(run: Run) -> int:
    """Show the requests that would be sent; the credential is no part of them."""
    for identity in run.ids or ("",):
        shown = {"method": run.command.method, "path": run.path(identity), "query": run.query(), "body": run.body()}
        run.output.one({name: value for name, value in shown.items() if value})
    return Code.DONE


def _confirm(run: Run) -> None:
    if not run.command.asks or run.told.get("yes") or run.told.get("dry_run"):
        return
    question = run.command.asks.format(count=len(run.ids), s="" if len(run.ids) == 1 else "s")
    if not sys.stdin.isatty():
        raise CliError(Code.USAGE, f"{question} Say so with --yes: nobody can be asked here.")
    if not typer.confirm(clean(question), err=True):
        raise CliError(Code.FAILED, "Nothing was done.")


def _ids(told: Sequence[str]) -> Sequence[str]:
    found = sys.stdin.read().split() if list(told) == ["-"] else list(told)
    if told and not found:
        raise CliError(Code.USAGE, "Standard input names nothing.")
    for identity in found:
        if identity in {"", ".", ".."} or len(identity) > 200:  # noqa: PLR2004 — longer than any name of ours
            raise CliError(Code.USAGE, f"{clean(identity)!r} names nothing.")
    return found


def _in_a_query(value: Any) -> Any:
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value


def _value(_: str, text: str) -> Any:
    """Return a number, null, or whatever else is JSON; a word is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(option: str, text: str) -> Any:
    if text == "-" or text.startswith("@"):
        return _document(text.removeprefix("@"))
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(Code.USAGE, f"{option}: must be JSON, @FILE, or - for standard input ({error}).") from None


_READ: Final[dict[str, Callable[[str, str], Any]]] = {"json": _json, "value": _value}


def _document(path: str) -> Any:
    """Return the JSON of a file, or of standard input."""
    where = "standard input" if path == "-" else clean(path)
    try:
        if path == "-":
            text = sys.stdin.read(_LARGEST_FILE)
        else:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(_LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "it is not UTF-8"
        raise CliError(Code.USAGE, f"{where} cannot be read: {why}.") from None
    with suppress(ValueError):
        return json.loads(text)
    raise CliError(Code.USAGE, f"{where} is not JSON (RFC 8259).")


def follow(
    run: Run,
    identities: Sequence[str],
    *,
    ended: Callable[[Mapping[str, Any]], Code | None],
    stands: Callable[[Mapping[str, Any]], Standing],
    seconds: float | None,
) -> int:
    """Wait until each thing has ended, and return what that comes to for all of them.

    How it stands is told on standard error, and each thing is shown once it has ended.

    Args:
        run: the command that waits.
        identities: what it waits for.
        ended: what it came to; None while it goes on.
        stands: how far it is.
        seconds: how long to wait; None: for as long as it takes.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    outcomes: dict[str, Code] = {}
    pause = 0.2
    with run.api() as api, progress() as tell:
        api.deadline = deadline
        while True:
            for identity in (one for one in identities if one not in outcomes):
                thing = api.call("GET", run.path(identity), query=run.query())
                tell(identity, stands(thing))
                if (outcome := ended(thing)) is not None:
                    outcomes[identity] = outcome
                    run.output.one(thing, run.command.parts)
            waiting = [one for one in identities if one not in outcomes]
            if not waiting:
                break
            if deadline is not None and time.monotonic() > deadline:
                raise CliError(Code.UNAVAILABLE, f"Not ended in {seconds:g} s: {clean(', '.join(waiting))}.")
            time.sleep(pause if deadline is None else min(pause, max(deadline - time.monotonic(), 0.0)))
            pause = min(pause * 1.5, 2)
    found = set(outcomes.values())
    return found.pop() if len(found) == 1 else Code.IN_PART
