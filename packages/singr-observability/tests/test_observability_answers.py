"""What leaves on the wire is what an application said, in one piece, and never more header fields than it meant."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from singr_observability.server import ENDLESS, bounded

DEADLINE = 20.0
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def answering(*messages: dict[str, Any]) -> Any:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app,
        http=bounded(),
        ws="none",
        lifespan="off",
        log_config=None,
        host="127.0.0.1",
        port=0,
        date_header=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(DEADLINE):
            while not server.started:  # noqa: ASYNC110 — uvicorn gives no event to wait for
                await asyncio.sleep(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(task, DEADLINE)


async def said(app: Any, *requests: bytes) -> bytes:
    """All that is answered to these requests until the server hangs up."""
    async with serving(app) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(requests))
        everything = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return everything


async def test_answers_are_as_the_application_says_each_with_its_own_end():
    app = answering(start((b"Content-Length", b"2"), (b"x-one", b"1")), body(b"ab"))
    one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-one: 1\r\n"
    assert await said(app, GET, LAST) == one + b"\r\nab" + one + b"connection: close\r\n\r\nab"


async def test_answer_of_no_length_goes_in_chunks():
    app = answering(start(), body(b"abc", more=True), body(b"", more=True), body(b"d"))
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert await said(app, LAST) == head + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"


async def test_connection_ends_where_the_application_says_so():
    app = answering(start((b"content-length", b"0"), (b"connection", b"Close")), body(b""))
    assert await said(app, GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x-name", b"a\r\nset-cookie: b"),
        (b"x-name", b"a\nb"),
        (b"x-name", b"a\x00"),
        (b"x name", b"a"),
        (b"a:b", b"c"),
    ],
    ids=["line", "line feed", "NUL", "space in a name", "colon in a name"],
)
async def test_header_that_would_be_read_as_another_is_never_sent(header: tuple[bytes, bytes]):
    assert await said(answering(start((b"content-length", b"1"), header), body(b"a")), GET) == b""


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.0", b"GET / HTTP/1.0\r\nconnection: keep-alive"])
async def test_answer_of_no_length_ends_with_the_connection_where_chunks_are_unknown(request_line: bytes):
    app = answering(start(), body(b"abc", more=True), body(b"d"))
    assert await said(app, request_line + b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcd"


@pytest.mark.parametrize(
    ("status", "length", "told"),
    [
        (204, (), b"HTTP/1.1 204 No Content\r\n"),
        (204, ((b"content-length", b"2"),), b"HTTP/1.1 204 No Content\r\n"),
        (304, (), b"HTTP/1.1 304 Not Modified\r\n"),
        (304, ((b"content-length", b"2"),), b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n"),
    ],
)
@pytest.mark.parametrize("data", [b"", b"ab"], ids=["empty", "a body"])
async def test_answer_that_has_no_body_sends_none_whatever_the_application_says(
    status: int, length: tuple[tuple[bytes, bytes], ...], told: bytes, data: bytes
):
    app = answering(start(*length, status=status), body(data))
    assert await said(app, GET, LAST) == told + b"\r\n" + told + b"connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "second", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], ids=["length", "chunked"]
)
async def test_answer_that_says_twice_where_it_ends_is_never_sent(second: tuple[bytes, bytes]):
    assert await said(answering(start((b"content-length", b"2"), second), body(b"ab")), GET) == b""


async def test_caller_of_http_1_0_gets_no_answer_before_the_answer():
    app = answering(start((b"content-length", b"1")), body(b"a"))
    asks = b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx"
    assert await said(app, asks) == b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na"


@pytest.mark.parametrize("data", [b"a", b"abc"], ids=["shorter", "longer"])
async def test_answer_of_another_length_than_it_says_is_cut(data: bytes):
    answer = await said(answering(start((b"content-length", b"2")), body(data)), GET)
    assert len(answer.partition(b"\r\n\r\n")[2]) < 2


@pytest.mark.parametrize(
    "leaves", [asyncio.StreamWriter.write_eof, lambda writer: writer.write(GET)], ids=["eof", "more"]
)
@pytest.mark.parametrize("begun", [True, False], ids=["while it goes on", "before it begins"])
async def test_caller_of_an_answer_without_an_end_is_seen_to_leave(
    leaves: Callable[[asyncio.StreamWriter], None], *, begun: bool
) -> None:
    asked, goes_on, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked.set()
        await goes_on.wait()
        scope["state"][ENDLESS] = True
        await send(start())
        await send(body(b"here", more=True))
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with serving(endless) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asked.wait()
        if begun:
            goes_on.set()
            await reader.readuntil(b"here\r\n")
        leaves(writer)
        for _ in range(20):  # more turns of the loop than the server needs to read it
            await asyncio.sleep(0.001)
        goes_on.set()
        await left.wait()
        assert await reader.read() == b""
        writer.close()
