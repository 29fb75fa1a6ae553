"""Pages of what is kept in memory, in the order in which the database gives them."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeVar

from singr_db.pages import Page, check_limit, decode_cursor, page_of

T = TypeVar("T")
_id = attrgetter("id")


def page_in_memory(items: Iterable[T], *, limit: int, cursor: str | None, oldest_first: bool = False) -> Page[T]:
    """A page of what has an `id`, newest first unless told; raises InvalidCursor, or ValueError for a limit."""
    check_limit(limit)
    found: list[Any] = sorted(items, key=_id, reverse=not oldest_first)
    if cursor is not None:
        last = decode_cursor(cursor)
        found = [one for one in found if (one.id > last if oldest_first else one.id < last)]
    return page_of(found[: limit + 1], limit=limit, row_id=_id)
