"""Limits of a job type by key: how many jobs of one key run at once, and how fast they start."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_jobs._plain import shown, storable
from singr_jobs.declare._checks import LONGEST_KEY, check_whole
from singr_jobs.declare._errors import EnqueueError
from singr_jobs.declare._types import Rate, check_rate

MOST_AT_ONCE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Keyed:
    """A limit that jobs share which have the same key; `Keyed(lambda job: job.account, limit=1)`.

    Keys are an organization's own, and of one job type. A job whose key is None is held to no limit.

    Attributes:
        by: what gives a job's key (a text, a whole number or a UUID; at most 255 characters as text); `...` stands for
            what the type's other limit is by.
        limit: how many jobs of a key may run at once, 1 to 100,000; or the `Rate` at which they may start: 1 to
            1,000,000 in 0.001 to 86,400 seconds.
    """

    by: Any = field(compare=False)
    limit: int | Rate


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a type's keys are, and what they are held to."""

    by: Callable[[Any], object] = field(compare=False)
    concurrency: int | None
    rate: Rate | None

    def key(self, job: msgspec.Struct) -> str | None:
        """The key of a job; raises EnqueueError where it has none that can be kept."""
        try:
            found = self.by(job)
        except Exception as error:
            raise EnqueueError(f"the key of {type(job).__name__} cannot be told: {type(error).__name__}") from error
        if found is None:
            return None
        try:
            return check_concurrency_key(found)
        except ValueError as error:
            raise EnqueueError(f"{type(job).__name__}: {error}") from None


def check_concurrency_key(value: object) -> str:
    """A key as it is stored; raises ValueError. It is not told: it may name somebody."""
    text = str(value) if isinstance(value, str | int | UUID) and not isinstance(value, bool) else ""
    if not (1 <= len(text) <= LONGEST_KEY and storable(text)):
        raise ValueError(
            f"concurrency_key must be a text of 1 to {LONGEST_KEY} characters without NUL and halves of characters, a"
            f" whole number or a UUID, not {type(value).__name__}"
        )
    return text


def key_limits(concurrency: object, rate: object) -> KeyLimits | None:
    """What the options of a declaration come to; raises ValueError."""
    for name, option, kind, right in (
        ("concurrency", concurrency, int, "Keyed(lambda job: job.account, limit=1)"),
        ("rate", rate, Rate, "Keyed(lambda job: job.account, Rate(100, 60))"),
    ):
        if option is None:
            continue
        if not isinstance(option, Keyed) or not isinstance(option.limit, kind):
            raise ValueError(f"{name} must be such as {right}, not {shown(option)}")  # noqa: TRY004 - see `_checks`
    given = [option for option in (concurrency, rate) if isinstance(option, Keyed)]
    if not given:
        return None
    at_once = speed = None
    for option in given:
        if isinstance(option.limit, Rate):
            check_rate("rate", option.limit)
            speed = option.limit
        else:
            check_whole("concurrency: limit", option.limit, least=1, most=MOST_AT_ONCE)
            at_once = option.limit
    keys = {id(option.by): option.by for option in given if option.by is not ...}
    if len(keys) != 1:
        raise ValueError(
            "concurrency and rate must be by one key: name it once, and write ... for the other,"
            " rate=Keyed(..., Rate(100, 60))"
        )
    [by] = keys.values()
    if not callable(by):
        right = "a function that gives a job's key, lambda job: job.account"
        raise ValueError(f"a Keyed needs {right}, not {shown(by)}")  # noqa: TRY004 - likewise
    return KeyLimits(by, at_once, speed)
