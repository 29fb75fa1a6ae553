"""What begins as a copy of a process that has loaded all is as if it had been started (`forking`)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forking
import pytest
import sites
from forking import Template

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="begun by Linux's prctl")

PROBE = """
import asyncio, json, os, signal, sys

async def child():
    "Begin one as a worker does, which finds fault with its arguments."
    reading, writing = os.pipe()
    command = (sys.executable, "-m", "singr_worker", "serve", "--queues", "none")
    child = await asyncio.create_subprocess_exec(*command, pass_fds=(writing,), start_new_session=True)
    os.close(writing)
    os.read(reading, 1)  # nobody has the other end any more
    return await child.wait()

fd = "/proc/self/fd"
said = {
    "argv": sys.argv[1:],
    "name": __name__,
    "package": __spec__.name,
    "environ": dict(os.environ),
    "path": sys.path,
    "cwd": os.getcwd(),
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "files": sorted(os.readlink(f"{fd}/{name}") for name in os.listdir(fd) if os.path.exists(f"{fd}/{name}")),
    "ignored": [int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN],
    "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "child": asyncio.run(child()),
}
print(json.dumps(said), flush=True)
if "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def name() -> str:
    return f"singr-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"


@pytest.fixture(scope="module")
def template(name: str) -> Iterator[Template]:
    if (of_the_run := sites.template()) is not None:
        yield of_the_run
        return
    made = Template(name)
    yield made
    made.end()


def test_a_process_that_cannot_load_is_not_begun_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def fails(listener: int) -> "subprocess.Popen[bytes]":
        begun.append(listener)
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], pass_fds=(listener,))

    monkeypatch.setattr(forking, "_begun", fails)
    monkeypatch.setattr(forking, "_TRIES", 20)
    with pytest.raises(RuntimeError, match="ended with 3"):
        Template()
    assert len(begun) < 20


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a probe is started with, in a folder of its own."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.chdir(tmp_path)
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(tmp_path), "OWN": "1"}


@pytest.mark.parametrize(("how", "code"), [("ends", 3), ("killed", -signal.SIGTERM)])
def test_a_copy_is_in_all_as_a_process_that_was_started(
    template: Template, environ: dict[str, str], tmp_path: Path, how: str, code: int
) -> None:
    with (tmp_path / "copied").open("wb") as output:
        copied = template.run("probe", [how, "-x"], env=environ, output=output.fileno())
        assert copied.wait(60) == code
    with (tmp_path / "started").open("wb") as output:
        command = [sys.executable, "-m", "probe", how, "-x"]
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        started = subprocess.run(command, env=environ, start_new_session=True, check=False, **pipes)
    assert started.returncode == code

    of_copy, of_started = (_said(tmp_path / name) for name in ("copied", "started"))
    # One file more: the way to what gives it children. None of the template's, of another copy's or of the test's.
    assert of_copy.pop("files") == ["/dev/null", *["copied"] * 2, "socket"]
    assert of_started.pop("files") == ["/dev/null", *["started"] * 2]
    assert of_copy == of_started
    assert of_copy["child"] == 2


def _said(output: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(output.read_text().splitlines()[-1])
    said["files"] = [file.partition(":")[0].removeprefix(f"{output.parent}/") for file in said["files"]]
    return said


def test_a_copy_is_waited_for_and_signalled_as_a_process_of_ours(template: Template, environ: dict[str, str]) -> None:
    Path("probe.py").write_text("import time; time.sleep(600)")
    with open(os.devnull, "wb") as output:  # noqa: PTH123 — no path of ours
        copied = template.run("probe", [], env=environ, output=output.fileno())
    assert copied.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        copied.wait(0.01)
    copied.kill()
    assert (copied.wait(60), copied.poll(), copied.returncode) == (-9, -9, -9)
    copied.terminate()  # nobody's business any more


def test_whoever_asks_for_one_of_a_name_gets_the_same_and_leaves_it_to_the_others(
    template: Template, name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    Path("probe.py").write_text("import os; print(os.getppid())")
    another = Template(name)
    said = []
    for asked in (another, template):
        with (tmp_path / "said").open("wb") as output:
            assert asked.run("probe", [], env=environ, output=output.fileno()).wait(60) == 0
        said.append((tmp_path / "said").read_text())
        another.end()
    assert len(set(said)) == 1
