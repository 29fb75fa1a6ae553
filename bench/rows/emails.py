"""Real e-mails, as many as one worker can: sent through Mailjet's simulator, which answers at once or late."""

from __future__ import annotations

from bench.figures import TURNS, Row, at_most, median
from bench.harness import OURS, Stand
from bench.noop import CONCURRENCY
from bench.sending import EMAIL, drain

BENCH = "E-mails"
ANSWERS_MS = (0, 50)
GROWTH_TARGET_MB = 5.0


def run(place: Stand) -> list[Row]:
    """Send through a provider that answers at once and one that takes its time, by turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000 // TURNS, 100)
    rates: dict[int, list[float]] = {answer: [] for answer in ANSWERS_MS}
    grown: list[float] = []
    for turn in range(turns):
        for answer in ANSWERS_MS:
            name = f"emails-{answer}-{turn}"
            sent = drain(place, name, EMAIL, answers_ms=answer, count=count, concurrency=CONCURRENCY)
            place.cpu.add(BENCH, f"{OURS}, {answer} ms", "mail", sent.used, sent.counted)
            rates[answer].append(count / sent.seconds)
            grown.append(sent.grown_mb)
            place.forget()
    measure = f"e-mails sent a second, {count:,} pending, concurrency {CONCURRENCY}, provider answers after"
    growth, half = median(grown), count - count // 2
    return [
        *(Row(BENCH, f"{measure} {answer} ms", f"{median(found):,.0f}") for answer, found in rates.items()),
        Row(
            BENCH,
            f"what the worker's memory grows by over the last {half:,} of them",
            f"{growth:.1f} MB",
            target=at_most(growth, GROWTH_TARGET_MB, "MB"),
        ),
    ]
