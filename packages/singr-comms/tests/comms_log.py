"""What the log says while a test runs."""

from collections.abc import Iterator

import pytest
from loguru import logger


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Its lines, of whatever level that operators see."""
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), level="INFO")
    yield said
    logger.remove(sink)
