"""Pages of rows, newest first or oldest first, that stay right while rows are added: keyset pages on version 7 ids.

A cursor names the last row of a page. It is opaque and URL-safe, and grants nothing: row-level security and the
query's own filters decide what is seen.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, ScalarResult, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from singr_db._ids import made_at

__all__ = [
    "BEHIND",
    "LOOKS_BACK",
    "InvalidCursor",
    "Page",
    "check_limit",
    "decode_cursor",
    "encode_cursor",
    "fetch_page",
    "page_of",
    "search_page",
]

Item = TypeVar("Item")
_VERSION = b"\x01"
_CURSOR_BYTES = 17

BEHIND: Final = "coalesce(CAST(:after AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
"""SQL: the ids of a page, newest first, are less than this; `:after` is a cursor's, or NULL for the first page.

With `:after IS NULL OR id < :after`, one plan for both would read from the first row on to the last page.
"""
LOOKS_BACK: Final = 10_000
"""So many rows are looked through for a page of a search."""


class InvalidCursor(ValueError):  # noqa: N818 - reads best where it is raised and mapped
    """The cursor was not made by `encode_cursor`."""


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some rows, newest first, and the cursor that leads to the next ones; None at the end.

    `looked_back_to`: where so few rows fit a search that its look ended before the page was full, until when it looked:
    the cursor leads on from there.
    """

    items: tuple[Item, ...]
    next_cursor: str | None = None
    looked_back_to: datetime | None = None


def encode_cursor(row_id: UUID) -> str:
    """Make the cursor that leads to the rows after (older than) the one of this id."""
    return base64.urlsafe_b64encode(_VERSION + row_id.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """Read the id out of a cursor.

    Raises:
        InvalidCursor: it was not made by `encode_cursor`.
    """
    if not isinstance(cursor, str):
        raise InvalidCursor("the cursor must be a text: next_cursor of the page before")
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidCursor("the cursor is malformed") from None
    if len(raw) != _CURSOR_BYTES or raw[:1] != _VERSION:
        raise InvalidCursor("the cursor is malformed")
    row_id = UUID(bytes=raw[1:])
    if encode_cursor(row_id) != cursor:  # the last character has spare bits
        raise InvalidCursor("the cursor is malformed")
    return row_id


def check_limit(limit: object) -> None:
    """Raise ValueError for what no page can hold."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"limit must be 1 or more, a whole number, not {limit!r:.80}")


def page_of(rows: list[Item], *, limit: int, row_id: Callable[[Item], UUID]) -> Page[Item]:
    """Make a page of up to `limit` rows out of a query that asked for one row more."""
    items = tuple(rows[:limit])
    return Page(items, encode_cursor(row_id(items[-1])) if len(rows) > limit else None)


async def fetch_page(
    session: AsyncSession,
    statement: Select[Item],
    *,
    key: InstrumentedAttribute[UUID],
    limit: int,
    cursor: str | None = None,
    oldest_first: bool = False,
) -> Page[Item]:
    """Fetch one page of the rows that `statement` selects, newest first.

    Args:
        session: where to ask.
        statement: a select of one entity with its filters, without order or limit.
        key: the entity's id column, such as `Job.id`.
        limit: how many rows at most, 1 or more.
        cursor: `next_cursor` of the page before, in the same order; None for the first page.
        oldest_first: turn the order round.

    Raises:
        InvalidCursor: the cursor is malformed.
        ValueError: `limit` is no whole number, or less than 1.
    """
    check_limit(limit)
    if cursor is not None:
        last = decode_cursor(cursor)
        statement = statement.where(key > last if oldest_first else key < last)
    order = key.asc() if oldest_first else key.desc()
    found: ScalarResult[Item] = await session.scalars(statement.order_by(order).limit(limit + 1))
    return page_of(list(found), limit=limit, row_id=attrgetter(key.key))


async def search_page(
    session: AsyncSession,
    statement: Select[Item],
    fits: Callable[[Any], Sequence[ColumnElement[bool]]],
    *,
    entity: type[Item],
    limit: int,
    cursor: str | None = None,
    oldest_first: bool = False,
    options: Callable[[Any], Sequence[Any]] = lambda _: (),
) -> Page[Item]:
    """Fetch one page of the rows that fit, among `LOOKS_BACK` of those that `statement` selects.

    So a search looks at no more rows than that, however many there are and however few fit.

    Args:
        session: where to ask.
        statement: a select of `entity` with those filters alone that an index leads to, in the order of ids.
        fits: from the entity, what is asked of each row that is looked at; where that is nothing, all of them fit.
        entity: whose rows these are; its key is `id`, of version 7.
        limit: how many rows at most, 1 or more.
        cursor: `next_cursor` of the page before, in the same order; None for the first page.
        oldest_first: turn the order round.
        options: from the entity, what is to be loaded how.

    Raises:
        InvalidCursor: the cursor is malformed.
        ValueError: `limit` is no whole number, or less than 1.
    """
    key: InstrumentedAttribute[UUID] = entity.id  # type: ignore[attr-defined] # as its documentation asks
    if not fits(entity):
        whole = statement.options(*options(entity))
        return await fetch_page(session, whole, key=key, limit=limit, cursor=cursor, oldest_first=oldest_first)
    check_limit(limit)
    if cursor is not None:
        last = decode_cursor(cursor)
        statement = statement.where(key > last if oldest_first else key < last)
    in_order = statement.order_by(key.asc() if oldest_first else key.desc())
    seen: Any = aliased(entity, in_order.limit(LOOKS_BACK).subquery())
    order = seen.id.asc() if oldest_first else seen.id.desc()
    found = await session.scalars(
        select(seen).options(*options(seen)).where(*fits(seen)).order_by(order).limit(limit + 1)
    )
    page: Page[Item] = page_of(list(found), limit=limit, row_id=attrgetter("id"))
    if page.next_cursor is not None:
        return page
    # Where the look ended before the rows did, it goes on behind the last that it saw.
    end: UUID | None = await session.scalar(in_order.with_only_columns(key).offset(LOOKS_BACK - 1).limit(1))
    if end is None:
        return page
    return Page(page.items, encode_cursor(end), made_at(end))
