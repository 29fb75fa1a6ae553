"""What a test does without a tool of the machine that it needs."""

import os
from typing import NoReturn


def absent(advice: str) -> NoReturn:
    """End a test whose tool is missing here: it is skipped with a word about it, and fails in continuous integration.

    Args:
        advice: what is missing, and how to have it: "no curl is installed here (Debian: apt-get install curl)".
    """
    import pytest  # noqa: PLC0415 — the servers of this package are used without it, too

    if os.environ.get("CI") == "true":
        pytest.fail(f"continuous integration leaves nothing out. {advice}")
    pytest.skip(advice)
