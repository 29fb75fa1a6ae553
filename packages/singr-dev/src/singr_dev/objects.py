"""Serves the links of a folder-backed object store, as an S3 server would."""

import contextlib
from collections.abc import Iterator
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from singr_db import FolderObjectStore, ObjectNotFoundError, ObjectStoreError
from singr_dev._serving import Application, Receive, Scope, Send, listen, serving

# What somebody stored may not act in the name of this address.
_HEADERS: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def application(store: FolderObjectStore) -> Application:
    """The ASGI application: GET of an address that the store has signed, and nothing else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (await _answer(store, Request(scope)))(scope, receive, send)

    return answer


@contextlib.contextmanager
def serving_links(store: FolderObjectStore, *, port: int) -> Iterator[None]:
    """Serve the links of `store` on loopback for the length of the block; its endpoint must say the same port."""
    with serving(application(store), listener=listen(port=port)):
        yield


def _address(scope: Scope) -> str:
    """Path and query as they were sent, before anything was decoded."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return f"{path.decode('latin-1')}?{query.decode('latin-1')}"


async def _answer(store: FolderObjectStore, request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse("only links are served here", 405, {"Allow": "GET, HEAD", **_HEADERS})
    try:
        found = await store.linked(_address(request.scope))
    except ObjectNotFoundError:
        return PlainTextResponse("this object is gone", 404, _HEADERS)
    except ObjectStoreError as error:
        return PlainTextResponse(str(error), 503, _HEADERS)
    if found is None:
        return PlainTextResponse("this link is altered or has expired", 403, _HEADERS)
    return Response(found.data, media_type=found.content_type, headers=_HEADERS)
