"""All breakages: each file beside this one that has `BREAKAGES` adds its own."""

from __future__ import annotations

import importlib
from pathlib import Path

from broken.breakage import Breakage

_FILES = sorted(Path(__file__).parent.glob("*.py"))
_MODULES = [
    importlib.import_module(f"broken.{file.stem}") for file in _FILES if "\nBREAKAGES = (" in file.read_text("utf-8")
]
BREAKAGES: tuple[Breakage, ...] = tuple(breakage for module in _MODULES for breakage in module.BREAKAGES)
