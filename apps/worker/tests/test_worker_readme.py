"""What the README shows runs, and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

from sites import Site

from singr_jobs import Queue
from singr_worker._cli import _parser

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_jobs_of_the_readme_are_served_as_it_says(site: Site, tmp_path: Path) -> None:
    greetings, caller = blocks("python")
    [command] = blocks("sh")
    [printed] = blocks("text")
    (tmp_path / "greetings.py").write_text(greetings, encoding="utf-8")
    (tmp_path / "caller.py").write_text(caller, encoding="utf-8")
    site.environ |= {"PYTHONPATH": str(tmp_path), "WORKER_PLACES": "greetings=4/30", "WORKER_RATES": "greetings=100/60"}
    program, *arguments = command.split()
    assert (program, arguments.pop(0)) == ("singr-worker", "run")
    with site.run_worker(*arguments) as worker:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "caller.py")],
            env=site.environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == printed, done.stderr + worker.last_words


def test_readme_names_every_option_and_queue() -> None:
    run = next(action for action in _parser()._actions if action.dest == "command").choices["run"]  # type: ignore[index]
    for option in run._option_string_actions:
        if option not in {"-h", "--help"}:
            assert f"`{option} " in README
    assert f"Queues: {', '.join(Queue)}." in README
