"""How long messages are kept, by the category of their type; what is over of a week, and what is over of a message."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from singr_comms.catalogue import MessageType
from singr_config import RetentionSettings
from singr_db import Partition
from singr_db.ending import UNFINISHED

LATELY: Final = timedelta(days=14)
"""What has changed since then stays, however old it is: somebody may ask what became of it."""
_OTHERS: Final = "*"

OPEN: Final = f"""
(m.status IN ('queued', 'dispatched')
 OR m.status IN ('failed', 'unknown') AND (
    m.status = 'unknown' AND coalesce(m.error ->> 'code', '') NOT IN ('outcome_unknown', 'lost')
    OR EXISTS (SELECT FROM dead_letters AS d WHERE d.job_id = m.job_id AND d.state = 'open')
    OR EXISTS (SELECT FROM jobs AS j WHERE j.id = m.job_id AND j.status IN {UNFINISHED})))
"""  # noqa: S608 - constants
"""A message `m` that may be sent still, or of which something is still to be found out."""

WATCHED: Final = "status IN ('queued', 'dispatched', 'failed', 'unknown') OR updated_at >= '{:%Y-%m-%d}T00:00:00Z'"
"""What may be wanted of a week, but for its category, from the week's end on."""

CHANGED: Final = "m.updated_at > %(lately)s::timestamptz"
_MADE: Final = "coalesce(%(end)s::timestamptz, m.created_at)"
WORDS_OVER: Final = (
    f"{_MADE} + make_interval(days => coalesce(kept.words, %(longest_words)s::int)) <= %(now)s::timestamptz"
)
OVER: Final = f"{_MADE} + make_interval(days => coalesce(kept.days, %(longest)s::int)) <= %(now)s::timestamptz"
KEPT: Final = """
LEFT JOIN unnest(%(types)s::text[], %(words)s::int[], %(days)s::int[]) AS kept (type, words, days)
       ON kept.type = m.kind
"""
"""How long a message `m` is kept; of what no type is known here, as long as anything is."""


class Kept(msgspec.Struct, frozen=True):
    """For how long: what a message says, and the message."""

    words: timedelta
    days: timedelta


class Times:
    """How long messages are kept.

    Args:
        settings: by category.
        types: those that this process knows.
    """

    def __init__(self, settings: RetentionSettings, types: Iterable[MessageType]) -> None:
        known = tuple(types)
        named = {name: (words, days) for name, words, days in settings.message_categories}
        others = (settings.message_words_days, settings.message_days)
        self._by_category = {name: _kept(*days) for name, days in {**named, _OTHERS: others}.items()}
        self.types = {one.name: self.of(one.category) for one in known}
        # Misspelt, or of types that are declared elsewhere.
        self.strange = sorted(named.keys() - {one.category for one in known})

    def of(self, category: str) -> Kept:
        """How long messages of a category are kept."""
        return self._by_category.get(category, self._by_category[_OTHERS])

    @property
    def soonest(self) -> timedelta:
        """When the first thing is over."""
        return min(min(one.words, one.days) for one in self._by_category.values())

    @property
    def shortest(self) -> timedelta:
        """When the first messages are over."""
        return min(one.days for one in self._by_category.values())

    def by_days(self) -> Iterator[tuple[timedelta, tuple[str, ...]]]:
        """Each time for which messages are kept, with the types of it; last the longest, for whatever type it is."""
        longest = max(one.days for one in self._by_category.values())
        for days in sorted({one.days for one in self.types.values()} - {longest}):
            yield days, tuple(sorted(name for name, one in self.types.items() if one.days == days))
        yield longest, ()

    def passed(self, span: Partition, now: datetime) -> str:
        """Whose time is over of a week, in a word to compare."""
        return ",".join(self._passed(now - span.end))

    def _passed(self, age: timedelta) -> Iterator[str]:
        for name, kept in sorted(self._by_category.items()):
            over = ("w" if kept.words <= age else "") + ("m" if kept.days <= age else "")
            if over:
                yield f"{name}:{over}"

    def lets_go(self, span: Partition, now: datetime) -> bool:
        """Whether messages of some category are over."""
        return self.shortest <= now - span.end

    def is_over(self, span: Partition, now: datetime) -> bool:
        """Whether a week may go, and what is kept longer moves."""
        return self.goes_at(span) <= now

    def goes_at(self, span: Partition) -> datetime:
        """When a week may go."""
        return span.end + self._by_category[_OTHERS].days

    def values(self, now: datetime, end: datetime | None) -> dict[str, Any]:
        """The parameters of `KEPT` and what is asked by it.

        Args:
            now: the time.
            end: of the week that they lie in; None where each counts from when it was made.
        """
        longest = self._by_category.values()
        return {
            "now": now,
            "end": end,
            "lately": now - LATELY,
            "types": list(self.types),
            "words": [one.words.days for one in self.types.values()],
            "days": [one.days.days for one in self.types.values()],
            "longest_words": max(one.words.days for one in longest),
            "longest": max(one.days.days for one in longest),
        }


def _kept(words: int, days: int) -> Kept:
    return Kept(timedelta(days=min(words, days)), timedelta(days=days))
