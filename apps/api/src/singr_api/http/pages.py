"""Pages of a list: the Link header that leads to the next one (RFC 8288)."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request


def link_next(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """Return the Link header to the page at `cursor`, with the same filters; nothing at the end."""
    if cursor is None:
        return {}
    given = parse_qsl(request.scope["query_string"].decode("ascii"))
    kept = [(name, value) for name, value in given if name != "cursor"]
    return {"link": f'<{request.scope["path"]}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
