"""What the README promises, run as a newcomer would."""

import re
import subprocess
import sys
from pathlib import Path

import httpx

from singr_comms.providers import HttpCaller
from singr_comms.providers._http import Answer

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_examples_run_and_print_what_the_readme_says() -> None:
    codes = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    printed = re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert [run(code) for code in codes] == printed
    assert len(codes) > 1


def test_the_core_needs_neither_database_nor_queue_nor_broker() -> None:
    heavy = {"singr_db", "singr_jobs", "singr_observability", "sqlalchemy", "psycopg", "dramatiq", "redis", "litestar"}
    run(f"import sys, singr_comms\nassert not {heavy!r} & set(sys.modules)")


def test_importing_the_package_reads_no_template_and_opens_nothing() -> None:
    run(
        "import singr_comms.rendering._templates as templates, singr_comms\n"
        "assert templates.environment.cache_info().currsize == 0, 'templates are read when first needed'"
    )


def listed(status: int) -> str:
    """The error that the table gives a status of which nothing else is known."""
    rows = re.findall(r"^\| `(\w+Error)[^|]*\|([^|]*)\|", README, re.MULTILINE)

    def of(what: str) -> set[str]:
        return {error for error, means in rows if any(what in part for part in re.findall(r"HTTP ([\dx, ]+)", means))}

    [error] = of(str(status)) or of(f"{status // 100}xx")
    return error


def test_the_table_of_errors_is_what_an_answer_becomes() -> None:
    caller = HttpCaller(httpx.AsyncClient(), provider="p")
    for status in range(300, 600):
        error = caller.refusal(Answer(status, {}, None), code="c", message="no")
        assert type(error).__name__ == listed(status), status
        assert getattr(error, "doubtful", False) == (listed(status) == "PermanentSendError"), status
