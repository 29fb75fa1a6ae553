"""A small Celery project is moved by the steps of the README alone, and does the same on PostgreSQL."""

import ast
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from singr_db import PLATFORM_ORGANIZATION_ID as ORGANIZATION
from singr_db import Database
from singr_dev.clock import VirtualClock

README = Path(__file__).parents[1] / "README.md"
PROJECT = Path(__file__).parent / "celery_project"


def steps() -> list[tuple[str, str]]:
    """What stands before and after each step, as the README has it."""
    [section] = re.findall(r"^## Coming from Celery\n(.*?)^## ", README.read_text(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```(?:py|pip)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) % 2 == 0
    return list(zip(blocks[::2], blocks[1::2], strict=True))


def move(folder: Path) -> None:
    """Follow the steps, to the letter."""
    for before, after in steps():
        [file] = [path for path in folder.rglob("*.*") if before in path.read_text()]
        file.write_text(file.read_text().replace(before, after))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project once it has been moved: its modules by their names."""
    shutil.copytree(PROJECT, tmp_path / "moved")
    move(tmp_path / "moved")
    monkeypatch.syspath_prepend(tmp_path / "moved")
    monkeypatch.setattr("singr_jobs.declare._types._DECLARED", {})

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"shop.{name}")

    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_nothing_of_celery_is_left(tmp_path: Path) -> None:
    shutil.copytree(PROJECT, tmp_path / "moved")
    move(tmp_path / "moved")
    for path in (tmp_path / "moved").rglob("*.py"):
        code = ast.unparse(ast.parse(path.read_text()))
        assert not re.search(r"import celery|from celery|\bapp\b|\.delay\(|apply_async", code), path
    assert "celery" not in (tmp_path / "moved" / "requirements.txt").read_text()


async def test_it_does_the_same_on_postgresql(shop: Any, clock: VirtualClock, db: Database) -> None:
    bank, books, orders, tasks = (shop(name) for name in ("bank", "books", "orders", "tasks"))

    async def ask(what: Any, *arguments: Any) -> None:
        async with db.tenant(ORGANIZATION) as session:
            await what(session, ORGANIZATION, *arguments)

    async def done(**time: float) -> list[str]:
        if time:
            clock.advance(**time)
        await clock.settle(tasks.jobs)
        found, bank.done[:] = sorted(bank.done), []
        return found

    bank.busy.append(1)
    await ask(orders.place, 1, 500)
    await ask(orders.remind_at, 2, clock.now() + timedelta(hours=1))
    await ask(orders.remind_in, 3, 7200)
    assert await done() == [], "the bank was busy, and nothing else is due"
    assert await done(seconds=61) == ["charged 1"], "self.retry"
    assert await done(hours=1) == [], "eta: the first time it is lost"
    assert await done(seconds=10) == ["reminded 2"], "autoretry_for"
    assert await done(hours=1) == []
    assert await done(seconds=10) == ["reminded 3"], "countdown"

    await ask(books.fulfil, 4, 500)
    await ask(books.close, {5: 100, 6: 200, 7: 300})
    assert await done() == ["charged 4", "charged 5", "charged 6", "charged 7", "shipped 4", "took 600"]

    async with db.tenant(ORGANIZATION) as session:
        await tasks.say_what_is_wanted(session, ORGANIZATION)
    assert await done() == []
    assert await done(days=1) == ["shipped 0"], "beat"
