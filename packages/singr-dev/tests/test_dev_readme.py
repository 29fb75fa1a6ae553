"""The README's examples run as they are."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from singr_db import Database
from singr_dev.clock import VirtualClock

README = (Path(__file__).parents[1] / "README.md").read_text()
SHOWN = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
EXAMPLES = [code for code in SHOWN if "def test_" not in code]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_runs(number: int):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLES[number]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_example_of_a_clock_passes(clock: VirtualClock, db: Database) -> None:
    [shown] = [code for code in SHOWN if code not in EXAMPLES]
    made: dict[str, Any] = {}
    exec(compile(shown, "README.md", "exec"), made)
    [test] = [made[name] for name in made if name.startswith("test_")]
    await test(clock, db)


def test_there_are_examples():
    assert len(EXAMPLES) >= 2
