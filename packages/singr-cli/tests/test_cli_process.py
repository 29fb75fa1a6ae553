"""`singr` as a process: what it loads, prints and ends with."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 60


def process(*arguments: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start `singr` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "singr_cli", *arguments],
        env=environ, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_it_watches_until_it_is_interrupted(environ: dict[str, str], singr: Any) -> None:
    payload = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})
    made = singr("jobs", "create", "sms.send", "--payload", payload).one["id"]
    with process("jobs", "list", "--watch", "--every", "0.05", environ=environ) as watching:
        assert watching.stdout is not None
        seen = [json.loads(watching.stdout.readline())["id"] for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=DEADLINE)
    assert (seen, watching.returncode, said) == ([made, made], 130, "")


def test_it_waits_for_a_flow_until_it_is_interrupted(environ: dict[str, str], singr: Any) -> None:
    message = {"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}}
    jobs = json.dumps([{"type": "sms.send", "payload": message}])
    flow = singr("flows", "create", "tonight", "--jobs", jobs).one["id"]
    with process("flows", "wait", flow, environ=environ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == f"{flow}: running, 0 of 1\n"
        waiting.send_signal(signal.SIGINT)
        out, said = waiting.communicate(timeout=DEADLINE)
    assert (waiting.returncode, out, said) == (130, "", "")


def test_a_reader_that_goes_is_no_fault(environ: dict[str, str], singr: Any) -> None:
    payload = json.dumps({"to": "+15555550100", "message": {"kind": "plain", "text": "You are next."}})
    singr("jobs", "create", "sms.send", "--payload", payload)
    with process("jobs", "list", "--watch", "--every", "0.05", environ=environ) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(DEADLINE) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == ""


def test_help_loads_neither_http_nor_tables() -> None:
    program = (
        "import sys; from singr_cli import main; main(['--help'])\n"
        "heavy = {'httpx', 'rich', 'msgspec', 'singr_config', 'singr_auth', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    outcome = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert outcome.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, shell: str) -> None:
    from singr_cli import main  # noqa: PLC0415

    words = {"bash": {"COMP_WORDS": "singr sched", "COMP_CWORD": "1"}}.get(
        shell, {"_TYPER_COMPLETE_ARGS": "singr sched"}
    )
    for name, value in {
        **words,
        "_SINGR_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 0
    assert re.search(r"\bschedules\b", capfd.readouterr().out)
