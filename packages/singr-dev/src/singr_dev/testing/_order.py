"""Another order of tests: one that passes only after another, or only before it, is found out."""

import random
from collections import defaultdict

import pytest


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Return the tests with their files in a random order, and those of each file too.

    Files stay whole, so that what the tests of one share is started once. The same seed gives the same order.
    """
    by_file: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        by_file[item.nodeid.split("::", 1)[0]].append(item)
    chance = random.Random(seed)  # noqa: S311 — no secret
    files = list(by_file.values())
    chance.shuffle(files)
    for file in files:
        chance.shuffle(file)
    return [item for file in files for item in file]
