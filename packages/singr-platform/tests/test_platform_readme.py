"""What the README shows runs, and prints what it says."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from singr_config import Settings
from singr_db import Database

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


async def test_a_process_of_ones_own_works_as_the_readme_says(
    db: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks("python")
    (expected,) = blocks("text")
    namespace: dict[str, object] = {"__name__": "example"}
    exec(compile(example, str(README), "exec"), namespace)
    await namespace["main"](settings)  # type: ignore[operator] # the example defines it
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line in expected.splitlines()] == expected.splitlines()
    async with db.platform() as session:
        queued = (await session.execute(text("SELECT type FROM jobs"))).scalars().all()
    assert queued == ["email.send"]
