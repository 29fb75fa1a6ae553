"""The examples of the README and of the docstrings run."""

import doctest
import importlib
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_of_the_readme_run():
    failed, attempted = doctest.testfile(str(README), module_relative=False)
    assert attempted
    assert not failed


@pytest.mark.parametrize("module", ["singr_config", "singr_config.values._secret", "singr_config.testing"])
def test_the_examples_of_the_docstrings_run(module: str):
    failed, _ = doctest.testmod(importlib.import_module(module))
    assert not failed
