"""Somebody else's package of one of our names is not installed in our place: the guide's ways, on two indexes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from architecture.repository import ROOT, distributions
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from singr_dev._serving import serving
from singr_dev.testing import absent

GUIDE = (ROOT / "docs" / "guides" / "install-the-wheels.md").read_text()
INDEX = "https://packages.example.com/simple"
NEEDS = {"singr-auth": ["singr-config"], "singr-config": []}


def wheel(name: str, version: str) -> bytes:
    """The smallest wheel that can be installed."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in NEEDS[name]),
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()
    )
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in {**files, f"{folder}/RECORD": record + f"{folder}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return made.getvalue()


def index(version: str) -> Starlette:
    """An index with both names at this version."""

    def page(request: Request) -> Response:
        name = request.path_params["name"]
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        return HTMLResponse(f'<a href="/files/{name}/{file}">{file}</a>', 200 if name in NEEDS else 404)

    def file(request: Request) -> Response:
        return Response(wheel(request.path_params["name"], version), media_type="application/octet-stream")

    return Starlette(routes=[Route("/simple/{name}/", page), Route("/files/{name}/{file}", file)])


@pytest.fixture
def ours() -> Iterator[str]:
    with serving(index("0.1.0")) as url:
        yield f"{url}/simple"


@pytest.fixture
def public() -> Iterator[str]:
    """Where somebody has taken both names, with a version that beats every other."""
    with serving(index("99.0")) as url:
        yield f"{url}/simple"


def test_uv_takes_our_names_from_our_index_alone(ours: str, public: str, tmp_path: Path) -> None:
    [manifest] = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert INDEX in manifest
    (tmp_path / "pyproject.toml").write_text(manifest.replace(INDEX, ours))
    done = subprocess.run(
        [ROOT / ".uv" / "bin" / "uv", "lock", "--quiet", "--default-index", public],
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
        env={"HOME": str(tmp_path), "UV_PYTHON": sys.executable, "PATH": os.defpath},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lock = (tmp_path / "uv.lock").read_text()
    assert lock.count('version = "0.1.0"') == 2
    assert "99.0" not in lock


def test_pip_installs_our_files_though_a_namesake_beats_them(ours: str, public: str, tmp_path: Path) -> None:
    python = getattr(sys, "_base_executable", sys.executable)
    if subprocess.run([python, "-m", "pip", "--version"], check=False, capture_output=True).returncode:
        absent("this Python has no pip (Debian: apt-get install python3-pip)")
    [block] = re.findall(r"^```sh\n(SINGR_INDEX=.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    script = block.replace(INDEX, ours).replace("pip ", f"{python} -m pip --isolated --disable-pip-version-check ")
    script = script.replace("install wheels", f"install --quiet --index-url {public} --target got wheels")
    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "got").glob("*.dist-info")) == [
        "singr_auth-0.1.0.dist-info",
        "singr_config-0.1.0.dist-info",
    ]


def needed(asked: str) -> set[str]:
    """All names of ours that one of them needs, with its extras if it names any."""
    name, _, wanted = asked.rstrip("]").partition("[")
    [folder] = [one.folder for one in distributions() if one.folder.name == name]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    direct = project["dependencies"] + [one for extra in wanted.split(",") if extra for one in extras[extra]]
    ours = {re.split(r"[<>=;~! ]", one)[0] for one in direct if one.startswith("singr-")}
    return {one.partition("[")[0] for one in ours} | {each for one in ours for each in needed(one)}


def test_guide_names_all_of_ours_that_each_of_them_needs() -> None:
    rows = re.findall(r"^\| `(singr-[^`]*)` \|(.*)\|$", GUIDE, re.MULTILINE)
    assert {name: set(re.findall(r"`([^`]*)`", needs)) for name, needs in rows} == {
        name: needed(name) - {name.partition("[")[0]} for name, _ in rows
    }
    said = {name for name, _ in rows}
    for package in {name.partition("[")[0] for name in said}:
        pyproject = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())
        for extra in pyproject["project"].get("optional-dependencies", {}):
            more = f"{package}[{extra}]"
            assert more in said or needed(more) - {package} == needed(package), more


def test_no_guide_asks_the_public_index_for_a_name_of_ours() -> None:
    """Each says where the wheels come from before it has them installed."""
    guides = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("[pa]*s/*/README.md")]
    asking = re.compile(r"^[^#\n]*pip install [^-\n]*'?singr-", re.MULTILINE)
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in guides}
    silent = [name for name, text in texts.items() if asking.search(text) and "install-the-wheels.md" not in text]
    assert silent == []


def test_every_distribution_refuses_the_public_index() -> None:
    for distribution in distributions():
        assert "Private :: Do Not Upload" in (distribution.folder / "pyproject.toml").read_text()
