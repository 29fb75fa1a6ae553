"""One worker as it comes, with the default concurrency of each channel, at a provider that answers after 50 ms.

A rate is that of the provider's own clock, from the first message that it took to the last, ours and the peers'.
"""

from __future__ import annotations

from bench.figures import TURNS, Row, at_least, median, rate_row
from bench.harness import OURS, Stand
from bench.mail.peers import BULLMQ, CELERY, Peer, bullmq, celery
from bench.sending import EMAIL, PUSH, SMS, Channel, drain

BENCH = "Messages"
ANSWERS_MS = 50
TIMES_PEER = 1.0
SAID = {"email": "e-mails", "sms": "text messages", "push": "pushes"}
# A minute, and at once: 6,000, 3,600 and 6,000 would be what the provider's 50 ms alone allow.
CHANNELS: tuple[tuple[Channel, int, int], ...] = ((EMAIL, 3_000, 5), (SMS, 1_800, 3), (PUSH, 5_000, 5))
Rates = dict[tuple[str, str], list[float]]


def run(place: Stand) -> list[Row]:
    """Each channel by turns. Fifty e-mails a call is for campaigns, which are not here yet."""
    turns, count = place.scaled(TURNS, 1), place.scaled(600, 40)
    peers = [celery(place), *(bullmq(place, channel, at_once) for channel, _, at_once in CHANNELS)]
    rates: Rates = {}
    for turn in range(turns):
        for channel, _, _ in CHANNELS:
            sent = drain(place, f"messages-{channel.name}-{turn}", channel, answers_ms=ANSWERS_MS, count=count)
            place.cpu.add(BENCH, f"{OURS}, {SAID[channel.name]}", "message", sent.used, sent.counted)
            rates.setdefault((OURS, channel.name), []).append(60 * count / sent.span)
            place.forget()
            for peer in peers:
                if peer is not None and peer.channel is channel:
                    rates.setdefault((peer.name, channel.name), []).append(theirs(place, peer, turn, count))
    return [*rows(rates), beside(rates)]


def theirs(place: Stand, peer: Peer, turn: int, count: int) -> float:
    """What a peer sends a minute."""
    unit = SAID[peer.channel.name]
    return 60 * count / peer.drain(place, turn, answers_ms=ANSWERS_MS, count=count, unit=unit)


def rows(rates: Rates) -> list[Row]:
    """What each channel reached, with what BullMQ does by the same calls where it is there; that has no target."""
    found = []
    for channel, target, at_once in CHANNELS:
        mine, other = rates[OURS, channel.name], rates.get((BULLMQ, channel.name), [])
        words = (
            f"{SAID[channel.name]} a minute, {at_once} at once, provider answers after {ANSWERS_MS} ms, {BULLMQ} beside"
        )
        told = rate_row(BENCH, words, mine, other, times_peer=None)
        found.append(Row(**{**vars(told), "target": at_least(median(mine), target, "a minute")}))
    return found


def beside(rates: Rates) -> Row:
    """E-mails, beside the peer that Python teams run, where it is there."""
    measure = f"e-mails a minute, beside {CELERY}, prefork 5, which writes nothing down and counts no limits"
    return rate_row(BENCH, measure, rates[OURS, EMAIL.name], rates.get((CELERY, EMAIL.name), []), times_peer=TIMES_PEER)
