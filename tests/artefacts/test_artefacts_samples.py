"""The samples of the documentation page do what they say, when they are copied into a file and run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from artefacts.conftest import Run, RunningApi

from singr_dev.browser import Browser

pytestmark = pytest.mark.full


async def sample(browser: Browser, api: RunningApi, operation: str, language: str) -> str:
    """As the page shows it, but for the address, which is what the settings say there."""
    page = await browser.page()
    await page.open(f"{api.address}/schema")
    await page.wait_for(f"document.querySelector('#{operation} .samples')")
    await page.run(f"document.querySelector('#{operation} [data-language={language}]').click()")
    text: str = await page.run(f"document.querySelector('#{operation} .samples code').textContent")
    return text.replace("http://localhost:3000", api.address)


@pytest.mark.parametrize("operation", ["createJob", "introspectApiKey"])
@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
async def test_a_sample_runs(
    browser: Browser, node: Run, running_api: RunningApi, tmp_path: Path, operation: str, language: str
) -> None:
    text = await sample(browser, running_api, operation, language)
    name, program = {
        "curl": ("sample.sh", "bash"),
        "Python": ("sample.py", sys.executable),
        "TypeScript": ("sample.mts", ""),
    }[language]
    script = tmp_path / name
    script.write_text(text, encoding="utf-8")
    if language == "TypeScript":
        compiler = ("--target", "ES2022", "--module", "NodeNext", "--lib", "ES2022,DOM", "--types", "node")
        (tmp_path / "node_modules").symlink_to(Path(__file__).parent / "node_modules")
        made = node("node_modules/typescript/bin/tsc", *compiler, "--strict", "--skipLibCheck", str(script))
        assert made.returncode == 0, made.stdout
        script, program = script.with_suffix(".mjs"), "node"
    finished = subprocess.run(  # noqa: ASYNC221 — nothing else runs on this loop meanwhile
        [program, str(script)],
        env={**os.environ, "SINGR_API_KEY": running_api.api_key},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert ('"status":"pending"' if operation == "createJob" else '"active":false') in finished.stdout
