"""`singr-dev`: Singr on this machine, for development."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from singr_dev._errors import DevError
from singr_dev.stack import StateDirectory
from singr_dev.stack._progress import Progress

_NOT_RUNNING = 3
_DOWN_SECONDS = 45.0
_READY_SECONDS = 45.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, do it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="singr-dev", description="Singr on this machine, for development.")
    parser.add_argument("--state-dir", type=Path, help="where data and logs are [SINGR_STATE_DIR, else .singr]")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything, until Ctrl-C")
    commands.add_parser("status", help="say whether it runs, and where (exit code 3 when not)")
    commands.add_parser("down", help="stop what `up` started in another window")
    run = commands.add_parser("run", help="run a program, such as singr-auth, with the settings of what `up` started")
    run.add_argument("program", nargs=argparse.REMAINDER, help="the program and its arguments")
    reset = commands.add_parser("reset", help="delete all development data, mails and secrets")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    state = StateDirectory(options.state_dir)
    try:
        return _run(options, state)
    except DevError as error:
        print(f"singr-dev: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, state: StateDirectory) -> int:
    match options.command:
        case "up":
            return _up(state)
        case "status":
            return _status(state)
        case "down":
            return _down(state)
        case "run":
            return _run_program(state, options.program)
        case _:
            return _reset(state, sure=options.yes)


def _up(state: StateDirectory) -> int:
    progress = Progress()
    if not state.acquire():
        return _already_runs(state, progress)
    progress.say("Starting Singr")
    from singr_dev.stack._up import Up  # noqa: PLC0415 — takes a second: the first line is shown before

    return Up(state, progress).run()


def _already_runs(state: StateDirectory, progress: Progress) -> int:
    progress.say(f"Singr already runs here ({state.path}), as process {state.runner()}.")
    if runtime := state.running(_READY_SECONDS):
        progress.facts(runtime.addresses())
    progress.say("Stop it with Ctrl-C in its own window, or with: make down")
    return 0


def _status(state: StateDirectory) -> int:
    pid = state.runner()
    if pid is None:
        print(f"Singr does not run in {state.path}. Start it with: make run")
        return _NOT_RUNNING
    runtime = state.running()
    if runtime is None:
        print(f"Singr is starting in {state.path}, as process {pid}.")
        return 0
    print(f"Singr runs in {state.path}, as process {pid}.")
    Progress().facts(
        [*runtime.addresses(), *((name, _readiness(url)) for name, url in _probed(runtime.api, runtime.worker))]
    )
    return 0


def _probed(api: str, worker: str) -> tuple[tuple[str, str], ...]:
    return ("API is", f"{api}/ready"), ("Worker is", f"{worker}/ready")


def _readiness(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        return f"not reachable ({type(error).__name__})"
    return "ready" if answer.status_code == httpx.codes.OK else f"not ready: {answer.text[:400]}"


def _down(state: StateDirectory) -> int:
    pid = state.runner()
    if pid is None:
        print("Singr does not run here.")
        return 0
    if not pid:
        raise DevError("Singr is just starting here: try again in a second")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while state.runner() is not None:
        if time.monotonic() > deadline:
            raise DevError(f"process {pid} has not stopped within {_DOWN_SECONDS:.0f} s")
        time.sleep(0.05)
    print("Stopped.")
    return 0


def _run_program(state: StateDirectory, words: Sequence[str]) -> int:
    if words[:1] == ["--"]:
        words = words[1:]
    if not words or not words[0]:
        raise DevError("name the program to run, such as: .venv/bin/singr-dev run singr-auth users list")
    runtime = state.running(_READY_SECONDS)
    if runtime is None:
        raise DevError(f"Singr does not run in {state.path}. Start it with: make run")
    program = _program(words[0])
    os.execve(program, [program, *words[1:]], os.environ | runtime.environ)  # noqa: S606 - what the developer asked for


def _program(name: str) -> str:
    """The file to run: a path as it stands; a bare name beside this interpreter, or on PATH."""
    if "/" in name:
        if Path(name).is_dir():
            raise DevError(f"{name} is a folder, not a program")
        if found := shutil.which(name):
            return found
        problem = "may not be run: chmod +x" if Path(name).is_file() else "is not there"
        raise DevError(f"the program {name} {problem}")
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise DevError(f"there is no program {name}, neither beside {sys.executable} nor on PATH")
    return found


def _reset(state: StateDirectory, *, sure: bool) -> int:
    if not state.path.exists():
        print("There is nothing to delete.")
        return 0
    if not sure:
        if not sys.stdin.isatty():
            raise DevError(f"this deletes all data in {state.path}: say so with --yes")
        if input(f"Delete all data in {state.path}? [y/N] ").strip().lower() != "y":
            print("Nothing was deleted.")
            return 1
    state.reset()
    print(f"Deleted all data in {state.path}.")
    return 0
