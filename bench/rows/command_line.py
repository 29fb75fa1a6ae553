"""What a start of `singr` costs: help, which loads no HTTP; a command up to its request; beside `python -c pass`."""

from __future__ import annotations

from bench.figures import TURNS, Row, at_most, median
from bench.harness import Stand
from bench.rows.imports import cpu_seconds

HELP = "import contextlib, io, singr_cli\nwith contextlib.redirect_stdout(io.StringIO()): singr_cli.main(['--help'])"
COMMAND = (
    "import singr_cli\n"
    "from singr_cli._http import Api\n"
    "from singr_cli._profiles import Profile\n"
    "singr_cli._program._app(['jobs', 'list'])\n"
    "Api(Profile('http://127.0.0.1:8000', 'sk_live_key'))"
)
TARGET_SECONDS = 0.3


def run(place: Stand) -> list[Row]:
    """CPU seconds of each, by turns."""
    programs = {"pass": "pass", "help": HELP, "command": COMMAND}
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(place.scaled(TURNS, 1)):
        for name, program in programs.items():
            taken[name].append(cpu_seconds(program))
    seconds = {name: median(values) for name, values in taken.items()}
    return [
        Row(
            "command-line",
            f"{words} (python -c pass: {seconds['pass']:.2f} s)",
            f"{seconds[name]:.2f} s of CPU",
            ratio=f"{seconds[name] / max(seconds['pass'], 0.01):.0f}",
            target=at_most(seconds[name], TARGET_SECONDS, "s"),
        )
        for name, words in (("help", "singr --help"), ("command", "singr jobs list, until its request"))
    ]
