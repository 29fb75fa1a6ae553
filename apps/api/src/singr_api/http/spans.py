"""Spans of time that statistics are asked of."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_api.http.fields import Timestamp
from singr_api.http.problems import FieldError, invalid
from singr_comms.notifications import statistics_faults
from singr_config.clock import clock

Moment = Annotated[
    str, Meta(max_length=40, examples=["2026-11-22T12:00:00Z"], extra_json_schema={"format": "date-time"})
]
UNTIL: Final = "Exclusive; now by default."


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, checked."""

    by: tuple[str, ...]
    since: datetime
    until: datetime


def asked_of(by: str, since: str | None, until: str | None, *, usual: timedelta, among: Sequence[str]) -> Asked:
    """Return what is asked for; all that is wrong with it is told at once.

    Args:
        by: what to tell apart, separated by commas.
        since: the parameter `from`.
        until: the parameter `to`.
        usual: how long before `to` it begins, unless told.
        among: what can be told apart.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    apart = tuple(by.split(",")) if by else ()
    faults = [*_unreadable(since, until)]
    last = _read(until) if until is not None else clock.now()
    first = _read(since) if since is not None else last and _before(last, usual)
    wrong = statistics_faults(apart, first, last, among=among)
    given = {"by", "to"} if since is None else {"by", "from", "to"}  # what was not sent is not wrong
    faults += [FieldError(one.field, one.message, "query", one.code) for one in wrong if one.field in given]
    if faults or first is None or last is None:
        raise invalid(*faults)
    return Asked(by=apart, since=first, until=last)


def _unreadable(since: str | None, until: str | None) -> Iterator[FieldError]:
    for name, text in (("from", since), ("to", until)):
        if text is not None and _read(text) is None:
            message = "must be a time with its zone (RFC 3339), such as 2026-11-22T12:00:00Z"
            yield FieldError(name, message, "query", "malformed")


def _before(last: datetime, usual: timedelta) -> datetime | None:
    """The moment so long before; None where no year holds it, which `to` is then refused for."""
    try:
        return last - usual
    except OverflowError:
        return None


def _read(text: str) -> datetime | None:
    """The moment; None where it is none, or has no zone."""
    try:
        return msgspec.convert(text, Timestamp)
    except msgspec.ValidationError:
        return None
