"""What can be wrong with a mark, by whoever it is given: over HTTP, and in Python."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from singr_comms.people._errors import PeopleError, PersonFault

InboxMark: TypeAlias = Literal["seen", "read", "unread", "archived", "restored", "snoozed"]
_ZONED: Final = "must be a time with its zone (a datetime)"


def check_mark(mark: Any, *, ids: Any = (), before: Any = None, until: Any = None, now: datetime) -> None:
    """Return where items can be marked so.

    Raises:
        PeopleError: it names every field that is wrong.
    """
    faults = [*_which(mark, ids, before), *_until(mark, until, now)]
    if faults:
        raise PeopleError(*faults)


def _which(mark: Any, ids: Any, before: Any) -> Iterator[PersonFault]:
    if mark not in get_args(InboxMark):
        yield PersonFault("mark", f"must be one of {', '.join(get_args(InboxMark))}", "unknown_value")
    if not isinstance(ids, Sequence) or isinstance(ids, str | bytes):
        yield PersonFault("ids", "must be a list of UUIDs", "malformed")
    else:
        for place, one in enumerate(ids):
            if not isinstance(one, UUID):
                yield PersonFault(f"ids[{place}]", "must be a UUID", "malformed")
        if not ids and before is None:
            yield PersonFault("ids", "name items in ids, or a time in before", "required")
    if before is not None and not _is_zoned(before):
        yield PersonFault("before", _ZONED, "malformed")


def _until(mark: Any, until: Any, now: datetime) -> Iterator[PersonFault]:
    words = "is when they come back: give it with the mark snoozed, and with no other"
    if until is None:
        if mark == "snoozed":
            yield PersonFault("until", words, "required")
    elif mark != "snoozed":
        yield PersonFault("until", words, "conflicting_fields")
    elif not _is_zoned(until):
        yield PersonFault("until", _ZONED, "malformed")
    elif until <= now:
        yield PersonFault("until", "must be in the future", "out_of_range")


def _is_zoned(moment: Any) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is not None
