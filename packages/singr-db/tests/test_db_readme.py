"""What the README shows runs, and prints what it says."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


async def test_example_prints_what_the_readme_says(empty_url: str, capsys: pytest.CaptureFixture[str]):
    (example,) = blocks("python")
    (expected,) = blocks("text")
    namespace: dict[str, object] = {}
    exec(compile(example, str(README), "exec"), namespace)
    await namespace["main"](empty_url)  # type: ignore[operator] # the example defines it
    assert capsys.readouterr().out == expected
