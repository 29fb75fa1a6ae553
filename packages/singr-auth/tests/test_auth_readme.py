"""The README's example runs as it stands."""

import re
import runpy
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_readme_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))
    said = capsys.readouterr().out
    expected = ("refused: mismatch", "signed in:", "refused token: signature", "weak: common", "wrong password")
    assert [line for line in (*expected, "code: malformed") if line not in said] == []
