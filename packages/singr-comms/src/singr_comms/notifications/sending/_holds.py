"""Which providers refuse our account: their messages wait, and one at a time finds out whether it is over."""

import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from singr_comms._errors import SendError
from singr_observability import Metrics, get_logger

_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 30.0
_MOST_SUSPECTS: Final = 1000
_BESIDE_A_PROBE: Final = 1.0
# So many organizations find out each by itself; then all are held, whoever they are.
_MOST_BY_THEMSELVES: Final = 50
_IN_A_ROW: Final = 3
# What differs from answer to answer: numbers, ids, addresses, names of hosts.
_PARTICULAR: Final = re.compile(r"\S*[0-9@.<>\[\]]\S*|\s+")

_log = get_logger("singr_comms.holds")


class _Pause(msgspec.Struct):
    """A provider that refuses our account: since when, until when nobody asks it, and the pause after that.

    `probe` is the message that was let through to find out.
    """

    since: float
    until: float
    length: float
    probe: UUID | None = None


class _Streak(msgspec.Struct):
    """The same answer to one recipient after the other, each of whom it may be about, and whose messages those were."""

    words: str
    recipients: set[bytes]
    organizations: set[UUID]


class Holds:
    """What this process knows of providers that refuse our account.

    While a provider is held, one message after each pause is tried; the pauses grow from two to thirty seconds, or to
    what the provider asked for. A message that is refused again although others were accepted since is refused for
    itself: it must not hold up the others.

    What a provider says of one message may be about its recipient or its words after all, which an organization
    chooses: so only those organizations are held whose messages met it, each by itself, and the first message of
    another one meets it as well, or shows that the account is good. Once many have met it, it is held for all, rather
    than be called for each of them.

    An answer that does not tell whom it is about is about us once three different recipients got it in a row, and
    nobody was accepted in between; then it holds the organizations whose messages these were.

    Args:
        metrics: shows `singr_provider_refused`.
        longest_call: gives the seconds after which a provider gives up on a call, by its channel and name.
        clock: seconds that pass evenly.
    """

    def __init__(
        self,
        metrics: Metrics,
        longest_call: Callable[[str, str], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_call = longest_call
        self._gauge = metrics.provider_refused
        self._clock = clock
        # Of each provider: those of organizations, and under None that of all.
        self._pauses: dict[tuple[str, str], dict[UUID | None, _Pause]] = {}
        self._accepted: dict[tuple[str, str], int] = {}
        self._suspects: OrderedDict[UUID, int] = OrderedDict()
        self._streaks: dict[tuple[str, str], _Streak] = {}

    def wait(self, channel: str, provider: str, organization_id: UUID, message_id: UUID) -> float:
        """Seconds until this message of this organization may be tried; 0.0: now. Of those held, one is let through."""
        held, now = self._pauses.get((channel, provider), {}), self._clock()
        theirs = [held[whose] for whose in (None, organization_id) if whose in held]
        wait = max((pause.until - now for pause in theirs), default=0.0)
        if wait > 0:
            return _spread(wait)
        for pause in theirs:  # the others wait for what comes of this one
            pause.until, pause.probe = now + self._longest_call(channel, provider), message_id
        return 0.0

    def refused(
        self, channel: str, provider: str, message_id: UUID, error: SendError, organization_id: UUID
    ) -> float | None:
        """Hold the provider, for this organization where it was said of its message; returns seconds until a next try.

        None where others were accepted since this message was refused before: then it is the message's own fault.
        """
        key = (channel, provider)
        accepted = self._accepted.get(key, 0)
        before = self._suspects.pop(message_id, None)
        self.untold(channel, provider, message_id)
        if before is not None and before < accepted:
            return None
        self._suspects[message_id] = accepted
        if len(self._suspects) > _MOST_SUSPECTS:
            self._suspects.popitem(last=False)
        held = self._pauses.setdefault(key, {})
        if not held:
            self._gauge.labels(channel, provider).set(1)
            _log.error(
                "provider {} {}: {} [{}]; its messages wait until it takes them",
                provider,
                "says later" if getattr(error, "later", False) else "refuses us",
                error.message,
                error.code,
            )
        of_one = getattr(error, "of_message", False) or getattr(error, "doubtful", False)
        whose = organization_id if of_one and (organization_id in held or len(held) < _MOST_BY_THEMSELVES) else None
        pause = held.setdefault(whose, self._first_pause())
        length = min(max(pause.length, getattr(error, "retry_after", None) or 0.0), _LONGEST_PAUSE)
        pause.until, pause.length = self._clock() + length, min(pause.length * 2, _LONGEST_PAUSE)
        # Later than the others: whoever was refused last lets another one try first.
        return _spread(length) + _BESIDE_A_PROBE

    def doubted(
        self,
        channel: str,
        provider: str,
        message_id: UUID,
        error: SendError,
        *,
        organization_id: UUID,
        recipient: bytes,
    ) -> float | None:
        """Note an answer that does not tell whom it is about; as `refused`; None while it may be this one.

        Args:
            channel: of the message.
            provider: who was called.
            message_id: the message.
            error: the answer.
            organization_id: whose message it is.
            recipient: a fingerprint of whom it goes to.
        """
        words = f"{error.code} {_PARTICULAR.sub(' ', error.message.lower())}"
        streak = self._streaks.get((channel, provider))
        if streak is None or streak.words != words:
            streak = self._streaks[channel, provider] = _Streak(words, set(), set())
        streak.organizations.add(organization_id)
        if len(streak.recipients) < _IN_A_ROW:
            streak.recipients.add(recipient)
        if len(streak.recipients) < _IN_A_ROW:
            self.untold(channel, provider, message_id)
            return None
        held = self.refused(channel, provider, message_id, error, organization_id)
        if held is not None:
            for whose in streak.organizations:
                self._pauses[channel, provider].setdefault(whose, self._first_pause())
        return held

    def untold(self, channel: str, provider: str, message_id: UUID) -> None:
        """What came of this message tells nothing, or it was not tried: if it was to find out, another may."""
        for pause in self._pauses.get((channel, provider), {}).values():
            if pause.probe == message_id:
                pause.until, pause.probe = self._clock() + _BESIDE_A_PROBE, None

    def accepted(self, channel: str, provider: str) -> bool:
        """It took a message, or refused one for what it is: returns whether our account is believed good only now."""
        key = (channel, provider)
        self._streaks.pop(key, None)
        first = key not in self._accepted
        self._accepted[key] = self._accepted.get(key, 0) + 1
        if first:
            self._gauge.labels(channel, provider).set(0)
        return self._release(key) or first

    def _release(self, key: tuple[str, str]) -> bool:
        held = self._pauses.pop(key, None)
        if held is None:
            return False
        self._gauge.labels(*key).set(0)
        since = min(pause.since for pause in held.values())
        _log.info("provider {} takes our messages again, after {:.0f} s", key[1], self._clock() - since)
        return True

    def _first_pause(self) -> _Pause:
        now = self._clock()
        return _Pause(now, now + _FIRST_PAUSE, _FIRST_PAUSE)


def _spread(seconds: float) -> float:
    """A little later, each message at another time."""
    return seconds + random.uniform(0.05, 0.5)  # noqa: S311 - spreads load, guards nothing
