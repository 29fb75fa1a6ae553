"""Generated texts are those of the classes."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from singr_config import all_variables, load_settings
from singr_config._generate import docs_table, env_example, replace_table

ROOT = Path(__file__).parents[3]


def test_the_committed_env_example_is_up_to_date():
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example(), (
        "run: singr-config env --write .env.example"
    )


def test_the_committed_table_of_the_guide_is_up_to_date():
    text = (ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8")
    assert replace_table(text) == text, "run: singr-config docs --write docs/CONFIGURATION.md"


def test_the_example_with_every_line_switched_on_is_what_development_does_anyway(tmp_path: Path):
    switched_on = "\n".join(
        line[1:] if line.startswith("#") and line[1:2].isupper() and "=" in line else line
        for line in env_example().splitlines()
    )
    file = tmp_path / ".env"
    file.write_text(switched_on)
    assert set(dotenv_values(file)) == {item.variable.name for item in all_variables()}
    assert load_settings({}, env_file=file) == load_settings({}, env_file=None)


def test_every_variable_is_explained():
    table = docs_table()
    for item in all_variables():
        assert f"| `{item.variable.name}` |" in table
        assert item.variable.help.endswith(".")


def test_no_generated_text_holds_a_value_for_a_secret():
    for item in all_variables():
        if item.variable.kind.label == "secret" and item.variable.development:
            assert item.variable.development not in env_example() + docs_table()


def test_a_document_without_markers_is_refused():
    with pytest.raises(ValueError, match="begin"):
        replace_table("# Configuration\n")
