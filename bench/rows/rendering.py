"""What the words of a message cost: subject, text and HTML of an e-mail, in one process, no provider."""

from __future__ import annotations

import time

from bench.figures import TURNS, Row, at_most, median
from bench.harness import Stand
from bench.sending import SONG

from singr_comms import render_email

BENCH = "Rendering"
TARGET_MS = 0.3


def run(place: Stand) -> list[Row]:
    """Render so many, several turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(2_000, 50)
    found = []
    render_email(SONG)  # the templates are read
    for _ in range(turns):
        started = time.process_time()
        for _ in range(count):
            render_email(SONG)
        found.append((time.process_time() - started) / count * 1000)
    cost = median(found)
    measure = "an e-mail with subject, text and HTML, ms of CPU"
    return [Row(BENCH, measure, f"{cost:.3f}", target=at_most(cost, TARGET_MS, "ms"))]
