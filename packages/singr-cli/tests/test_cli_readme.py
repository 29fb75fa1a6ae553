"""The README's example runs as it stands, as processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_example_runs(environ: dict[str, str], tmp_path: Path) -> None:
    [example] = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    outcome = subprocess.run(
        ["sh", "-e"], input=example, text=True, capture_output=True, cwd=tmp_path, check=False, timeout=100,
        env={**environ, "PATH": path},
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    for said in ("CHECK", "connected to", "PENDING", '"cancelled"', "ended with 1", "At 02:30", "nightly,active"):
        assert said.lower() in outcome.stdout.lower(), (said, outcome.stdout, outcome.stderr)
