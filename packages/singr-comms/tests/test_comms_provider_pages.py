"""Every provider has a page that says how to set it up, and what its page shows runs."""

import re
from pathlib import Path

import pytest

from singr_comms.providers._factory import provider_types

PAGES = Path(__file__).parents[3] / "docs" / "providers"
NAMES = sorted({name for _, name in provider_types()})


def test_every_provider_has_a_page_and_no_page_is_of_none() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_page_says_how_to_set_up_to_try_and_what_errors_mean_and_its_program_runs(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Set up", "Try it", "Trouble"]
    [program] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(program, f"{name}.md", "exec"), {"__name__": "page"})
