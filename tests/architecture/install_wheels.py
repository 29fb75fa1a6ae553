"""Install each built wheel alone, with the siblings that it names, in a clean environment, and import it there.

`python tests/architecture/install_wheels.py UV DIST` — UV is the uv program, DIST the folder of `make build`.
Each distribution is tried bare, where it must load (a free-standing core without database or queue beside it), and
with all of its extras, where all that it offers must be there and every module must load. Siblings are given as files,
so that none is ever asked of a package index. Then services that have singr-auth with one of its extras, and nothing
else of ours, verify tokens, sign a request and let people and programs in, with the code of the guide; one that has
singr-jobs alone, and a driver of its own, enqueues jobs under its own role; two that have its worker serve queues of
their own on one database; one that tests its jobs with the
worker's wheel, as the README shows, does so; one that has singr-comms alone passes the guides' tests, and one
with its notifications sends messages of types that it declares itself, and tells its readers of one by e-mail, SMS,
push and inbox; and one that tests with singr-dev turns the
clock as its README shows.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from outside_database import EXAMPLES, check_enqueuer, check_messages, check_readers, check_workers
from outside_issuer import check_outside

JOBS_README = Path(__file__).resolve().parents[2] / "packages" / "singr-jobs" / "README.md"
DEV_README = Path(__file__).resolve().parents[2] / "packages" / "singr-dev" / "README.md"
PINS = Path(__file__).resolve().parents[2] / "requirements.lock"
FREE_STANDING = {"singr-auth", "singr-comms", "singr-jobs"}
# What a free-standing core needs all the same.
NEEDED = {"singr-jobs": {"singr_jobs", "sqlalchemy"}}
UPSTAIRS = (
    *("singr_db", "singr_jobs", "singr_observability", "sqlalchemy", "psycopg", "redis", "dramatiq"),
    *("litestar", "starlette", "uvicorn"),
)
# Alembic runs these itself, inside a migration; the pytest plugin and its scheduler need pytest, which its user brings.
NOT_IMPORTED = ("._migrations.", ".pytest_plugin", "._cost.", "._kept.", "._order.", "._scheduler.", ".__main__")
PROGRAM = """
import importlib, importlib.util, pkgutil, sys
package, whole, skipped, barred = sys.argv[1], sys.argv[2] == "whole", sys.argv[3].split(), sys.argv[4].split()
top = importlib.import_module(package)
missing = [name for name in top.__all__ if whole and not hasattr(top, name)]
assert not missing, f"{package} offers what is not there: {missing}"
for found in pkgutil.walk_packages(top.__path__, f"{package}.") if whole else ():
    if not any(part in f"{found.name}." for part in skipped):
        importlib.import_module(found.name)
leaked = [name for name in barred if importlib.util.find_spec(name)]
assert not leaked, f"{package} brought what was not asked for: {leaked}"
"""


@dataclass(frozen=True)
class Wheel:
    """A built wheel and what its metadata says."""

    path: Path
    name: str
    requires: tuple[str, ...]
    extras: tuple[str, ...]
    members: frozenset[str]


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's metadata, and refuse one that is not fit to be installed elsewhere."""
    with zipfile.ZipFile(path) as archive:
        members = frozenset(archive.namelist())
        [metadata] = [name for name in members if name.endswith(".dist-info/METADATA")]
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
    name = str(headers["Name"])
    requires = tuple(headers.get_all("Requires-Dist") or ())
    problems = [
        f"{path.name}: {problem}"
        for problem, found in {
            "ships no py.typed": f"{name.replace('-', '_')}/py.typed" not in members,
            "names an address": any(" @ " in line for line in requires),
            "could be uploaded": "Private :: Do Not Upload" not in (headers.get_all("Classifier") or ()),
            "ships tests": any("/tests/" in member for member in members),
        }.items()
        if found
    ]
    if problems:
        raise SystemExit("\n".join(problems))
    return Wheel(path, name, requires, tuple(headers.get_all("Provides-Extra") or ()), members)


def siblings(wheels: dict[str, Wheel], name: str, extras: frozenset[str]) -> dict[str, frozenset[str]]:
    """The workspace's own distributions that an installation brings, each with the extras asked of it."""
    found: dict[str, frozenset[str]] = {}
    waiting = [(name, extras)]
    while waiting:
        current, asked = waiting.pop()
        if current in found and asked <= found[current]:
            continue
        found[current] = found.get(current, frozenset()) | asked
        for line in wheels[current].requires:
            match = re.match(r"(singr-[a-z]+)(?:\[([a-z,]+)\])?", line)
            marker = re.search(r"extra == ['\"]([a-z]+)['\"]", line)
            if match and (marker is None or marker[1] in found[current]):
                waiting.append((match[1], frozenset((match[2] or "").split(",")) - {""}))
    return found


def install(
    uv: str,
    wheels: dict[str, Wheel],
    wanted: dict[str, frozenset[str]],
    environment: Path,
    *,
    others: tuple[str, ...] = (),
) -> Path:
    """Make an environment that holds exactly these wheels and what they need; return its Python."""
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    targets = [
        f"{wheels[name].path}" + (f"[{','.join(sorted(extras))}]" if extras else "") for name, extras in wanted.items()
    ]
    pins = environment / "constraints.txt"
    pins.write_text("\n".join(line.split(" \\")[0] for line in PINS.read_text().splitlines() if line[:1].isalnum()))
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "--constraint", pins, *targets, *others], check=True
    )
    return python


def check(uv: str, wheels: dict[str, Wheel], name: str, extras: frozenset[str]) -> None:
    """Install one distribution with these extras and load it: all of its modules where it has all of its extras."""
    wanted = siblings(wheels, name, extras)
    asked = f"{name}[{','.join(sorted(extras))}]" if extras else name
    whole = "whole" if extras == frozenset(wheels[name].extras) else "bare"
    barred = set(UPSTAIRS) - NEEDED.get(name, set()) if name in FREE_STANDING and not extras else ()
    with tempfile.TemporaryDirectory(prefix="singr-wheel-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv")
        arguments = [name.replace("-", "_"), whole, " ".join(NOT_IMPORTED), " ".join(sorted(barred))]
        if subprocess.run([python, "-I", "-c", PROGRAM, *arguments], cwd=folder, check=False).returncode:
            raise SystemExit(f"{asked} does not stand on its own")
    print(f"  {asked}: imported, beside {len(wanted) - 1} siblings")


def check_enqueueing(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be another team: install what enqueues jobs, and a driver."""
    wanted = siblings(wheels, "singr-jobs", frozenset())
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv", others=("psycopg[binary]",))
        check_enqueuer(python, Path(folder))
    print("  an outside service: enqueued jobs under its own role")


def check_working(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be two other teams: install what works, and declare queues of one's own."""
    wanted = siblings(wheels, "singr-jobs", frozenset({"worker"}))
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv")
        check_workers(python, Path(folder))
    print("  two outside services: worked side by side, each from its own queue")


def check_sending(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be another team: install what sends messages, and declare types of one's own."""
    wanted = siblings(wheels, "singr-comms", frozenset({"notifications", "push"}))
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv", others=("pytest>=9.2",))
        check_messages(python, Path(folder))
        print("  an outside service: sent messages of its own types")
        check_readers(python, Path(folder))
    print("  an outside service: told its readers by e-mail, SMS, push and inbox, and tested whom it tells")


def check_core(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be another team: send with the core alone, by a provider of one's own, and run the tests that the guides show."""
    wanted = siblings(wheels, "singr-comms", frozenset())
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv", others=("fastapi", "pytest>=9.2"))
        shutil.copytree(EXAMPLES, Path(folder) / "service")
        command = [python, "-m", "pytest", "-q", "test_parcel_service.py", "test_postbox.py"]
        if subprocess.run(command, cwd=Path(folder) / "service", check=False).returncode:
            raise SystemExit("a service with the wheel of singr-comms alone cannot do what the guides say")
    print("  an outside service: sent with the core alone, and by a provider of its own")


def check_service(uv: str, wheels: dict[str, Wheel], extra: str) -> None:
    """Be another team: install what verifies tokens and signs requests, or what serves, and nothing else."""
    wanted = siblings(wheels, "singr-auth", frozenset({extra}))
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv")
        check_outside(python, Path(folder), "" if extra == "httpx" else extra)
    did = "verified tokens, signed a request" if extra == "httpx" else "let people and programs in"
    print(f"  an outside service with singr-auth[{extra}]: {did}")


def check_job_tests(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be another team: test handlers as the README of singr-jobs shows, with its plugin as pytest finds it."""
    wanted = siblings(wheels, "singr-jobs", frozenset({"worker"}))
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv", others=("pytest>=9.2", "pytest-asyncio>=1.2"))
        shown = re.findall(r"```python\n(.*?)```", JOBS_README.read_text(), re.DOTALL)
        (Path(folder) / "greeting.py").write_text(shown[0])
        (Path(folder) / "test_greeting.py").write_text(next(code for code in shown if "def test_" in code))
        command = [python, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "test_greeting.py"]
        if subprocess.run(command, cwd=folder, check=False).returncode:
            raise SystemExit("a project with the wheel of singr-jobs[worker] cannot test its jobs")
    print("  an outside project: tested its jobs with the plugin")


def check_clock(uv: str, wheels: dict[str, Wheel]) -> None:
    """Be another team: test as the README of singr-dev shows, with its clock."""
    wanted = siblings(wheels, "singr-dev", frozenset())
    with tempfile.TemporaryDirectory(prefix="singr-outside-") as folder:
        python = install(uv, wheels, wanted, Path(folder) / "venv", others=("pytest>=9.2", "pytest-asyncio>=1.2"))
        test = Path(folder) / "test_outside_clock.py"
        shown = re.findall(r"```python\n(.*?)```", DEV_README.read_text(), re.DOTALL)
        test.write_text(next(code for code in shown if "def test_" in code))
        command = [python, "-I", "-m", "pytest", "-q", "-o", "asyncio_mode=auto", test]
        if subprocess.run(command, cwd=folder, check=False).returncode:
            raise SystemExit("a project with the wheel of singr-dev cannot turn the clock")
    print("  an outside project: turned the clock")


def main() -> None:
    """Check every wheel of the folder."""
    uv, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    wheels = {wheel.name: wheel for wheel in map(read_wheel, sorted(folder.glob("*.whl")))}
    if len(wheels) < 9:
        raise SystemExit(f"{folder} holds {len(wheels)} wheels; run: make build")
    for name, wheel in wheels.items():
        for extras in {frozenset[str](), frozenset(wheel.extras)}:
            check(uv, wheels, name, extras)
    for extra in ("httpx", "fastapi", "litestar"):
        check_service(uv, wheels, extra)
    check_enqueueing(uv, wheels)
    check_working(uv, wheels)
    check_core(uv, wheels)
    check_sending(uv, wheels)
    check_job_tests(uv, wheels)
    check_clock(uv, wheels)


if __name__ == "__main__":
    main()
