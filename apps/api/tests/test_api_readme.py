"""The README's example runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_readme_example_runs(tmp_path: Path) -> None:
    whole, _, _ = README.read_text(encoding="utf-8").partition("\n## Add a route\n")  # it shows parts
    blocks = re.findall(r"```python\n(.*?)```", whole, re.DOTALL)
    assert blocks
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "{'status': 'ok'}" in done.stdout
    assert "401 https://singrkaraoke.com/problems/unauthenticated" in done.stdout
