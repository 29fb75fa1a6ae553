"""Pages of a list: their form, and the Link header that leads to the next one (RFC 8288)."""

from datetime import datetime
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request

from singr_db.pages import Page

Item = TypeVar("Item")


class PageOf(msgspec.Struct, Generic[Item], frozen=True):
    """Some items of a list, and the cursor that leads to the next ones; a class of each list's own says which."""

    items: tuple[Item, ...]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Item]) -> Self:
        """Return a page of rows as it is answered."""
        return cls(page.items, page.next_cursor)


class SearchedPageOf(PageOf[Item], frozen=True, omit_defaults=True):
    """A page of a search, which looks through so many rows and no more.

    `looked_back_to` is there where so few fit that the look ended before the page was full: it looked through all until
    then, and `next_cursor` leads on from there.
    """

    looked_back_to: datetime | None = None

    @classmethod
    def of(cls, page: Page[Item]) -> Self:
        """Return a page of rows as it is answered."""
        return cls(page.items, page.next_cursor, page.looked_back_to)


def link_next(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """Return the Link header to the page at `cursor`, with the same filters; nothing at the end."""
    if cursor is None:
        return {}
    given = parse_qsl(request.scope["query_string"].decode("ascii"))
    kept = [(name, value) for name, value in given if name != "cursor"]
    return {"link": f'<{request.scope["path"]}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
