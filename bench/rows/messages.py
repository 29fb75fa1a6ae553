"""One worker as it comes, with the default concurrency of each channel, at a provider that answers after 50 ms."""

from __future__ import annotations

from bench.figures import TURNS, Row, at_least, median
from bench.harness import OURS, Stand
from bench.sending import EMAIL, PUSH, SMS, Channel, drain

BENCH = "Messages"
ANSWERS_MS = 50
SAID = {"email": "e-mails", "sms": "text messages", "push": "pushes"}
# A minute: with 5, 3 and 5 in hand, 6,000, 3,600 and 6,000 would be what the provider's 50 ms alone allow.
CHANNELS: tuple[tuple[Channel, int], ...] = ((EMAIL, 3_000), (SMS, 1_800), (PUSH, 5_000))


def run(place: Stand) -> list[Row]:
    """Each channel by turns. Fifty e-mails a call is for campaigns, which are not here yet."""
    turns, count = place.scaled(TURNS, 1), place.scaled(600, 40)
    rates: dict[str, list[float]] = {channel.name: [] for channel, _ in CHANNELS}
    for turn in range(turns):
        for channel, _ in CHANNELS:
            sent = drain(place, f"messages-{channel.name}-{turn}", channel, answers_ms=ANSWERS_MS, count=count)
            place.cpu.add(BENCH, f"{OURS}, {SAID[channel.name]}", "message", sent.used, sent.counted)
            rates[channel.name].append(60 * count / sent.seconds)
            place.forget()
    return [
        Row(
            BENCH,
            f"{SAID[channel.name]} a minute, default concurrency, provider answers after {ANSWERS_MS} ms",
            f"{median(rates[channel.name]):,.0f}",
            target=at_least(median(rates[channel.name]), target, "a minute"),
        )
        for channel, target in CHANNELS
    ]
