"""Pages of a list: their form, and the Link header that leads to the next one (RFC 8288)."""

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


def link_next(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """Return the Link header to the page at `cursor`, with the same filters; nothing at the end."""
    if cursor is None:
        return {}
    given = parse_qsl(request.scope["query_string"].decode("ascii"))
    kept = [(name, value) for name, value in given if name != "cursor"]
    return {"link": f'<{request.scope["path"]}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
