"""What the README shows to those who come from BullMQ does what it says."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from singr_jobs.testing import InMemoryJobs

README = Path(__file__).parents[1] / "README.md"


async def test_the_example_does_what_its_original_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singr_jobs.declare._types._DECLARED", {})
    [section] = re.findall(r"^## Coming from BullMQ\n(.*?)^## ", README.read_text(), re.MULTILINE | re.DOTALL)
    [example] = re.findall(r"^```py\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    shown: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), shown)
    memory, organization = InMemoryJobs(shown["jobs"], queues=[shown["MAIL"]]), uuid4()
    await shown["ask"](memory, organization)
    await shown["ask"](memory, organization)
    assert await memory.run_due() == [], "delay"
    memory.advance(6)
    assert [job.result for job in await memory.run_due()] == [{"sent": "ada@example.org"}], "deduplication"
    ended: list[Any] = []
    for _ in range(7):
        memory.advance(86_400)
        ended += await memory.run_due()
    [digest] = ended
    assert (digest.status, digest.error.code, digest.attempt) == ("failed", "unread", 1)
    assert shown["options"].queues[shown["MAIL"]].concurrency == 10
