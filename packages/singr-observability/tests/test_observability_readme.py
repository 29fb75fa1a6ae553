"""The README's example runs as it stands."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def test_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    subprocess.run([sys.executable, "-W", "error", str(script)], check=True, timeout=60)


def test_cost_measurement_runs(capsys):
    bench = runpy.run_path(str(PACKAGE / "bench" / "overhead.py"))
    bench["main"](requests=200, rounds=1)
    assert "together" in capsys.readouterr().out
