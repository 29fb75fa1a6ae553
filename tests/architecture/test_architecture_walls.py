"""The import contracts hold, leave nobody out, and each of them fails on a build that breaks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from architecture.repository import ROOT, Distribution, distributions, imports

# One run of the contracts is shared.
pytestmark = pytest.mark.xdist_group("architecture-walls")

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
FREE_STANDING = {"singr_auth": {"accounts"}, "singr_comms": {"notifications", "people", "notifying", "testing"}}
# The command line of a core, which no module imports: it says which extra is missing.
DOOR = "_cli.py"
HEAVY = {"singr_db", "singr_jobs", "singr_observability", "sqlalchemy", "psycopg", "redis", "dramatiq"}


def lint_imports(folder: Path, sources: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run every contract over `sources`, which come before what is installed."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources)), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def plant(sources: list[Path], module: str, line: str) -> None:
    """Append an import to a module of the copy, which is made when it is not there."""
    package, _, rest = module.partition(".")
    [source] = [source for source in sources if (source / package).is_dir()]
    path = source.joinpath(package, *rest.split(".")).with_suffix(".py")
    for parent in reversed(path.parents):
        if parent.is_relative_to(source / package) and not parent.exists():
            parent.mkdir()
            (parent / "__init__.py").touch()
    with path.open("a") as file:
        file.write(f"\n{line}\n")


def test_the_import_contracts_are_kept() -> None:
    outcome = lint_imports(ROOT, [distribution.source.parent for distribution in distributions()])
    assert outcome.returncode == 0, outcome.stdout


def test_every_distribution_has_a_place_in_the_layers() -> None:
    packages = {distribution.package for distribution in distributions()}
    assert len(packages) >= 9
    assert set(CONTRACTS["root_packages"]) == packages
    [layers] = [contract for contract in CONTRACTS["contracts"] if contract["id"] == "layers"]
    placed = [name.strip() for layer in layers["layers"] for name in layer.split("|")]
    assert sorted(placed) == sorted(packages)


def test_no_capability_of_the_api_knows_another_in_whatever_folder_it_lies() -> None:
    [api] = [each for each in distributions() if each.package == "singr_api"]
    below = {"http", "admission", "routing", "wiring"}
    strange = []
    for folder in (routes.parent for routes in api.source.rglob("routes.py")):
        own = ".".join(folder.relative_to(api.source.parent).parts)
        known = (*(f"singr_api.{room}." for room in below), f"{own}.", f"{own.rpartition('.')[0]}.shared")
        strange += [
            f"{own}: {name}"
            for path in folder.glob("*.py")
            for _, name in imports(path.read_text())
            if folder.name not in below and name.startswith("singr_api.") and not f"{name}.".startswith(known)
        ]
    assert strange == [], "what two capabilities need lies below both: http, routing, or shared.py beside them"


@pytest.mark.parametrize(
    ("framework", "owners"),
    [("litestar", {"singr_api"}), ("fastapi", set()), ("dramatiq", {"singr_jobs", "singr_worker"})],
)
def test_a_framework_is_closed_to_everyone_but_its_owners(framework: str, owners: set[str]) -> None:
    [contract] = [contract for contract in CONTRACTS["contracts"] if contract["id"] == framework]
    assert set(contract["source_modules"]) == set(CONTRACTS["root_packages"]) - owners


# Where an import is planted, the import, and how the contract begins that must see it.
BROKEN = [
    ("singr_config", "import singr_db", "Imports go down only"),
    ("singr_observability", "def late():\n    from singr_jobs import Jobs", "Imports go down only"),
    ("singr_auth", "import singr_comms", "Imports go down only"),
    ("singr_api", "import singr_worker", "Imports go down only"),
    ("singr_db", "import singr_dev", "Imports go down only"),
    ("singr_worker", "import litestar", "Litestar is known"),
    ("singr_comms", "import litestar.types", "Litestar is known"),
    ("singr_auth", "import litestar", "Litestar is known"),
    ("singr_api", "import fastapi", "FastAPI is known"),
    ("singr_auth", "import fastapi.security", "The core of singr_auth"),
    ("singr_api", "import dramatiq", "Dramatiq is known"),
    ("singr_auth", "import singr_observability", "The core of singr_auth"),
    ("singr_auth", "import sqlalchemy.orm", "The core of singr_auth"),
    ("singr_comms", "import singr_jobs", "The core of singr_comms"),
    ("singr_auth.accounts", "import singr_jobs", "Accounts stand without the job system"),
    ("singr_auth.accounts.audit", "import singr_auth.accounts.notices._notices", "Rooms of singr_auth"),
    ("singr_api.http", "import singr_api.admission.gate", "Rooms of singr_api"),
    ("singr_api.routing", "import singr_api.identity.me.routes", "Rooms of singr_api"),
    ("singr_api.identity.me", "import singr_api.identity.users.schemas", "Capabilities of singr_api"),
    ("singr_api.work.jobs", "import singr_api.organizations.shared", "Capabilities of singr_api"),
    ("singr_jobs.intake", "import singr_jobs.running._runner", "Within singr_jobs imports go down only"),
    ("singr_jobs.declare", "import singr_jobs.intake._wake", "Within singr_jobs imports go down only"),
    ("singr_config.values", "import singr_config.sections._variable", "Rooms of singr_config"),
    ("singr_config.sections", "import singr_config.loading._problems", "Rooms of singr_config"),
    ("singr_db.sessions", "import singr_db.schema._migrate", "Rooms of singr_db"),
    ("singr_db.tables", "import singr_db.ending._statements", "Rooms of singr_db"),
    ("singr_observability.logs", "import singr_observability.metrics._series", "Rooms of singr_observability"),
    ("singr_observability.redaction", "import singr_observability.logs._lines", "Rooms of singr_observability"),
    ("singr_comms.providers", "import redis", "The core of singr_comms"),
    ("singr_cli", "import singr_jobs", "The command line knows the HTTP API"),
]


def planted(number: int) -> str:
    """The module of a broken import: nobody imports it, so that each is seen for itself."""
    return f"{BROKEN[number][0]}._planted_{number}"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the contracts say of a copy of every source tree into which all of these imports are planted."""
    folder, sources = tmp_path_factory.mktemp("copy"), []
    for distribution in distributions():
        source = folder / distribution.name
        shutil.copytree(
            distribution.source, source / distribution.package, ignore=shutil.ignore_patterns("__pycache__")
        )
        sources.append(source)
    for number, (_, line, _) in enumerate(BROKEN):
        plant(sources, planted(number), line)
    outcome = lint_imports(folder, sources)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=lambda number: f"{BROKEN[number][0]}: {BROKEN[number][1]}")
def test_a_broken_wall_is_seen(report: str, number: int) -> None:
    _, _, broken = BROKEN[number]
    [said] = re.findall(rf"^{broken}[^\n]*\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", report, re.MULTILINE | re.DOTALL)
    assert f"{planted(number)} -> " in said, report


def core_leaks(distribution: Distribution) -> list[str]:
    """Imports in a free-standing core that lead to what only its extra brings."""
    uppers = FREE_STANDING[distribution.package]
    barred = {*HEAVY, *(f"{distribution.package}.{upper}" for upper in uppers)}
    leaks: list[str] = []
    for path in distribution.modules():
        if path.relative_to(distribution.source).parts[0] in {*uppers, DOOR}:
            continue
        leaks.extend(
            f"{path.name}:{line}: {name}"
            for line, name in imports(path.read_text())
            if any(name == prefix or name.startswith(f"{prefix}.") for prefix in barred)
        )
    return leaks


@pytest.mark.parametrize("package", FREE_STANDING)
def test_a_free_standing_core_never_reaches_its_upper_floor(package: str) -> None:
    [distribution] = [each for each in distributions() if each.package == package]
    assert core_leaks(distribution) == []


def test_a_leak_in_a_free_standing_core_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "src" / "singr_auth"
    (source / "accounts").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "singr-auth"\n')
    (source / "accounts" / "_fine.py").write_text("import singr_db\n")
    (source / "_leak.py").write_text("def late():\n    from singr_auth.accounts import ServiceCredentials\n")
    assert core_leaks(Distribution(tmp_path)) == ["_leak.py:2: singr_auth.accounts.ServiceCredentials"]


@pytest.mark.parametrize("package", FREE_STANDING)
def test_nobody_imports_the_command_line_of_a_core(package: str) -> None:
    [distribution] = [each for each in distributions() if each.package == package]
    users = [
        path.name
        for path in distribution.modules()
        for _, name in imports(path.read_text())
        if name.startswith(f"{package}._cli") and path.name != "__main__.py"
    ]
    assert users == []


@pytest.mark.parametrize("package", FREE_STANDING)
def test_a_free_standing_core_loads_nothing_of_its_upper_floor(package: str) -> None:
    program = f"import sys, {package}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == ""
