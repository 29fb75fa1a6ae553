"""How Twilio lists messages: by recipient, sender and day, newest first, page by page."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from operator import eq, ge, le
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import JSONResponse

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?")
_LARGEST_PAGE: Final = 1000
_PAGING: Final = frozenset({"PageSize", "Page", "PageToken"})
_DAYS: Final[Mapping[str, Callable[[str, str], bool]]] = MappingProxyType(
    {"DateSent": eq, "DateSent<": le, "DateSent>": ge}
)


class EscapedResponse(JSONResponse):
    """JSON in ASCII: every other letter takes six bytes, or twelve."""

    def render(self, content: Any) -> bytes:
        """Write it."""
        return json.dumps(content).encode()


def page(messages: Iterable[Mapping[str, Any]], query: Mapping[str, str], path: str) -> dict[str, Any]:
    """One page of what the query asks for. A message that still waits in the queue was sent on no day.

    Args:
        messages: all of them, oldest first.
        query: as it came; `DateSent<` and `DateSent>` include the day that they name.
        path: of the list itself, for the addresses of its pages.

    Raises:
        ValueError: a parameter is unknown or cannot be read.
    """
    if unknown := query.keys() - {"To", "From", *_DAYS, *_PAGING}:
        raise ValueError(f"Unknown parameter {', '.join(sorted(unknown))}")
    if any(name in query and not _DAY.fullmatch(query[name]) for name in _DAYS):
        raise ValueError("Invalid DateSent")
    size, number = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
    if not 1 <= size <= _LARGEST_PAGE or number < 0:
        raise ValueError("Page size must be between 1 and 1000")
    found = [one for one in reversed(list(messages)) if _fits(one, query)]
    shown = found[number * size : (number + 1) * size]

    def address(of: int) -> str:
        kept = {name: value for name, value in query.items() if name not in _PAGING}
        return f"{path}?{urlencode({**kept, 'PageSize': size, 'Page': of})}"

    return {
        "end": number * size + len(shown) - 1 if shown else 0,
        "first_page_uri": address(0),
        "messages": shown,
        "next_page_uri": address(number + 1) if len(found) > (number + 1) * size else None,
        "page": number,
        "page_size": size,
        "previous_page_uri": address(number - 1) if number else None,
        "start": number * size,
        "uri": address(number),
    }


def _fits(one: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    if any(query[name] != one[field] for name, field in (("To", "to"), ("From", "from")) if name in query):
        return False
    asked = [(compare, query[name][:10]) for name, compare in _DAYS.items() if name in query]
    if not asked:
        return True
    if one["date_sent"] is None:
        return False
    day = parsedate_to_datetime(one["date_sent"]).astimezone(UTC).strftime("%Y-%m-%d")
    return all(compare(day, wanted) for compare, wanted in asked)
