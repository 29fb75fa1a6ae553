"""A chore is done again and again whatever strikes it, and its faults are said once each."""

import asyncio
import sys
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from loguru import logger
from psycopg.errors import AdminShutdown

from singr_config import DatabaseSettings, Secret
from singr_db import Database, chores
from singr_db.chores import Chore, DatabaseChore, build_chores, chores_in
from singr_observability import build_metrics


class Counting(Chore):
    """Raises what it is told, turn by turn, and stops when nothing is left."""

    name = "counting"
    module = "db.chores"
    every = 0.0

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.failures: list[Exception] = []
        self.lags: list[float] = []
        self.done = asyncio.Event()

    async def work(self) -> None:
        if not self.errors:
            self.done.set()
            await asyncio.Event().wait()
        error = self.errors.pop(0)
        if error is not None:
            raise error

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    def turned(self, lag: float) -> None:
        self.lags.append(lag)


@pytest.fixture
def said() -> Iterator[StringIO]:
    text = StringIO()
    sink = logger.add(text, level="INFO", format="{level}: {message}")
    yield text
    logger.remove(sink)


async def go_through(chore: Counting) -> None:
    running = asyncio.create_task(chore.run())
    async with asyncio.timeout(30):
        await chore.done.wait()
    running.cancel()


async def test_a_chore_that_raises_is_logged_once_and_tried_again(said: StringIO) -> None:
    chore = Counting(ValueError("a"), ValueError("b"), ValueError("c"), None, None)
    await go_through(chore)
    lines = [line for line in said.getvalue().splitlines() if "counting" in line]
    assert lines == ["ERROR: counting failed and is tried again: ValueError", "INFO: counting goes on"]
    assert (len(chore.failures), len(chore.lags)) == (3, 5)


async def test_work_that_fails_stays_due_until_a_turn_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what watches the lag sees it grow; a lag that begins anew at each turn would say that all is well."""
    monkeypatch.setattr("singr_db.chores._chore.time", SimpleNamespace(monotonic=count().__next__))
    chore = Counting(ValueError("a"), ValueError("b"), ValueError("c"), None, None)
    await go_through(chore)
    assert chore.lags == [1, 2, 3, 4, 1]


async def test_a_turn_that_hangs_is_told_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_db.chores._chore._TELLS_EVERY", 0.001)
    chore = Counting(None)
    running = asyncio.create_task(chore.run())
    async with asyncio.timeout(30):
        await chore.done.wait()
        while len(chore.lags) < 3:  # noqa: ASYNC110 - it says so of itself
            await asyncio.sleep(0.001)
    running.cancel()
    assert chore.lags[-2] < chore.lags[-1]


async def test_a_fault_that_changes_is_said_again(said: StringIO) -> None:
    await go_through(Counting(ValueError("a"), LookupError("b")))
    assert said.getvalue().count("counting failed and is tried again") == 2


async def test_an_outage_of_the_database_is_no_fault_of_the_chore(said: StringIO) -> None:
    await go_through(Counting(AdminShutdown("the server is stopping")))
    assert "WARNING: counting waits: AdminShutdown 57P01" in said.getvalue()
    assert "ERROR" not in said.getvalue()


def test_a_chore_is_found_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "a_room_of_chores"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "_sweep_floor.py").write_text(
        "from singr_db.chores import DatabaseChore\n\n\nclass SweepFloor(DatabaseChore):\n"
        "    name = 'sweeping the floor'\n    every = 60.0\n\n    async def work(self):\n        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = chores_in(import_module("a_room_of_chores"))
    assert [kind.name for kind in found] == ["sweeping the floor"]
    for name in [name for name in sys.modules if name.startswith("a_room_of_chores")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_chore_is_given_what_its_constructor_names_by_type_and_left_out_where_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "a_measured_room"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "_count_sheep.py").write_text(
        "from singr_db import Database\nfrom singr_db.chores import Chore\nfrom singr_observability import Metrics\n\n"
        "class CountSheep(Chore):\n    name = 'counting sheep'\n    every = 60.0\n\n"
        "    def __init__(self, metrics: Metrics, db: Database) -> None:\n"
        "        self.sheep, self.db = metrics.gauge('sheep', 'Those that were counted.'), db\n\n"
        "    async def work(self):\n        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module, metrics = import_module("a_measured_room"), build_metrics()
    db = Database(DatabaseSettings(url=Secret("postgresql://h/d")), application_name="singr-tests")
    assert build_chores([db], module) == []
    [made] = build_chores([db, metrics], module)
    assert (made.name, vars(made)["db"]) == ("counting sheep", db)
    for name in [name for name in sys.modules if name.startswith("a_measured_room")]:
        monkeypatch.delitem(sys.modules, name)


def test_the_base_is_no_chore_of_its_own_room() -> None:
    found = list(chores_in(chores))
    assert "making partitions" in {kind.name for kind in found}
    assert not {Chore, DatabaseChore} & set(found)
