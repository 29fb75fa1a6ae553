"""Environments of Python that peers run in: the bench's own, so that nothing of theirs lies beside Singr."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.harness import ROOT, Stand


def environment(place: Stand, wanted: Path, home: Path, whose: str, *, python: str) -> Path | None:
    """The Python of such an environment, made where it is missing or other versions are asked for.

    Args:
        place: is given a note where it cannot be made; then the answer is None.
        wanted: the packages, with their versions.
        home: where it lies.
        whose: the peers, in words.
        python: the Python that it is made of.
    """
    own, made = home / "bin" / "python", home / "made-from.txt"
    if made.exists() and made.read_text() == wanted.read_text():
        return own
    uv = ROOT / ".uv" / "bin" / "uv"
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", python, home],
        [uv, "pip", "install", "--quiet", "--python", own, "--requirement", wanted],
    ):
        if not uv.exists() or subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, check=False).returncode:
            place.notes.append(f"The peers {whose} could not be installed: they are left out.")
            return None
    made.write_text(wanted.read_text())
    return own
