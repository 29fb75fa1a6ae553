"""What callers ask for of statistics."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_api.http.fields import OrganizationId, Timestamp
from singr_api.http.problems import FieldError, invalid
from singr_comms.notifications import statistics_faults
from singr_config.clock import clock

_USUAL: Final = timedelta(days=7)
_Moment = Annotated[
    str, Meta(max_length=40, examples=["2026-11-22T12:00:00Z"], extra_json_schema={"format": "date-time"})
]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, checked."""

    by: tuple[str, ...]
    since: datetime
    until: datetime


class StatisticsQuery(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}
):
    """What to tell apart, and of when.

    Attributes:
        by: `day`, `type`, `channel`, `provider`, `user`, separated by commas; all together, unless told.
    """

    organization_id: OrganizationId | None = None
    by: Annotated[str, Meta(max_length=100, examples=["type,day"])] = ""
    since: (
        Annotated[_Moment, Meta(description="Inclusive; a week before `to`, unless told. 92 days at most, 7 by user.")]
        | None
    ) = None
    until: Annotated[_Moment, Meta(description="Exclusive; now, unless told.")] | None = None

    def asked(self) -> Asked:
        """Return what is asked for; all that is wrong with it is told at once.

        Raises:
            Problem: 422, with every parameter that is wrong.
        """
        by = tuple(self.by.split(",")) if self.by else ()
        faults = [*self._unreadable()]
        until = _read(self.until) if self.until is not None else clock.now()
        since = _read(self.since) if self.since is not None else until and until - _USUAL
        faults += [FieldError(one.field, one.message, "query", one.code) for one in statistics_faults(by, since, until)]
        if faults or since is None or until is None:
            raise invalid(*faults)
        return Asked(by=by, since=since, until=until)

    def _unreadable(self) -> Iterator[FieldError]:
        for name, text in (("from", self.since), ("to", self.until)):
            if text is not None and _read(text) is None:
                message = "must be a time with its zone (RFC 3339), such as 2026-11-22T12:00:00Z"
                yield FieldError(name, message, "query", "malformed")


def _read(text: str) -> datetime | None:
    """The moment; None where it is none, or has no zone."""
    try:
        return msgspec.convert(text, Timestamp)
    except msgspec.ValidationError:
        return None
