"""What the README promises, run as a newcomer would."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_example_runs_and_prints_what_the_readme_says() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert run(code) == printed


def test_the_core_needs_neither_database_nor_queue_nor_broker() -> None:
    heavy = {"singr_db", "singr_jobs", "singr_observability", "sqlalchemy", "psycopg", "dramatiq", "redis", "litestar"}
    run(f"import sys, singr_comms\nassert not {heavy!r} & set(sys.modules)")


def test_importing_the_package_reads_no_template_and_opens_nothing() -> None:
    run(
        "import singr_comms.rendering._templates as templates, singr_comms\n"
        "assert templates.environment.cache_info().currsize == 0, 'templates are read when first needed'"
    )
