"""The protocol of every port, over real sockets: what comes before, around and after a request is bounded."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from singr_observability.server import WireLimits, bounded

SOON = WireLimits(head_seconds=0.3, body_seconds=0.3, stalled_seconds=0.2)
DEADLINE = 20.0
LARGE = b"x" * 20_000_000


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was understood of the request."""
    if scope["path"] == "/large":
        body = LARGE
    else:
        content = b""
        while scope["path"] != "/unread":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            content += message["body"]
            if not message["more_body"]:
                break
        if scope["path"] == "/slow":  # more turns of the loop than the end of what a caller says needs
            for _ in range(50):
                await asyncio.sleep(0.001)
        names = [name.decode() for name, _ in scope["headers"]]
        told = [scope["method"], scope["state"]["singr_target"].decode(), len(content), names]
        body = json.dumps(told).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Port:
    """A server of these limits."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port = port
        self.server = server

    async def connect(self) -> "Line":
        return Line(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, *parts: bytes) -> tuple[int, Any]:
        """Send it all on a connection of its own, and return status and document."""
        line = await self.connect()
        await line.say(*parts)
        answered = await line.answer()
        await line.close()
        return answered


class Line:
    """One connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            with contextlib.suppress(ConnectionError):
                await self.writer.drain()

    async def answer(self) -> tuple[int, Any]:
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await self.reader.readexactly(length)
            return int(head.split()[1]), json.loads(body)

    async def ended(self) -> bytes:
        """Wait for the other side to hang up; returns what it still said."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(limits: WireLimits, app: Any = echo, **options: Any) -> AsyncIterator[Port]:
    config = uvicorn.Config(
        app, http=bounded(limits), ws="none", lifespan="off", log_config=None, host="127.0.0.1", port=0, **options
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(DEADLINE):
            while not server.started:  # noqa: ASYNC110 — uvicorn gives no event to wait for
                await asyncio.sleep(0.005)
        yield Port(server.servers[0].sockets[0].getsockname()[1], server)
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(task, DEADLINE)


def get(target: str = "/", *fields: str, host: str = "host: x") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", *([host] if host else []), *fields, "", ""]).encode()


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((get("/", f"a: {'x' * 65_000}"),), 200),
        ((get("/", f"a: {'x' * 66_000}"),), 431),
        ((get("/" + "x" * 66_000),), 431),
        ((b"GET / HTTP/1.1\r\nhost: x\r\na: ", *[b"x" * 65_536] * 512), 431),  # 32 MB, never finished
        ((get("/", *["a: b"] * 99),), 200),
        ((get("/", *["a: b"] * 100),), 431),
        ((b"GET / HTTP/1.1\r\nhost: x\r\n", b"a:\r\n" * 400_000), 431),
        ((CHUNKED, b"5\r\nhello\r\n0\r\n", b"t: v\r\n" * 400_000), 413),
        ((CHUNKED, b"5;", b"x" * 400_000), 413),
        ((CHUNKED, *[b"1;" + b"x" * 60 + b"\r\na\r\n"] * 5000), 413),
        ((CHUNKED, b"1\r\na\r\n" * 100_000, b"0\r\n\r\n"), 200),
        ((CHUNKED, b"40000\r\n", b"x" * 0x40000, b"\r\n0\r\n\r\n"), 200),
        ((CHUNKED, b"5\r\n\r\n\r\n\r\r\n0\r\n\r\n"), 200),
        ((CHUNKED, b"5\nhello\n"), 400),
        ((b"\x16\x03\x01\x02\x00\x01\x00",), 400),
    ],
)
async def test_request_past_its_limits_is_refused_in_a_problem_document(parts: tuple[bytes, ...], status: int) -> None:
    async with serving(WireLimits()) as port:
        got, document = await port.ask(*parts)

    assert got == status
    assert status == 200 or (document["status"] == status and document["detail"] and document["request_id"])


INNER = get("/inner", host="host: internal")


@pytest.mark.parametrize("wish", ["h2c", "websocket", "TLS/1.0", "foo, bar"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("way", ["at once", "head first", "byte by byte"])
async def test_wish_for_another_protocol_changes_nothing(wish: str, framing: str, way: str) -> None:
    fields = f"host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {wish}\r\n"
    if framing == "length":
        head, body = f"POST / HTTP/1.1\r\n{fields}content-length: {len(INNER)}\r\n\r\n".encode(), INNER
    else:
        head = f"POST / HTTP/1.1\r\n{fields}transfer-encoding: chunked\r\n\r\n".encode()
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)
    whole = head + body + get("/next")
    parts = {
        "at once": [whole],
        "head first": [head, body + get("/next")],
        "byte by byte": [whole[at : at + 1] for at in range(len(whole))],
    }
    async with serving(WireLimits()) as port:
        line = await port.connect()
        await line.say(*parts[way])

        _, first = await line.answer()
        _, second = await line.answer()
        await line.close()

    assert first[:3] == ["POST", "/", len(INNER)], "its body is its own, and no request"
    assert "upgrade" in first[3], "the wish is told"
    assert second[:2] == ["GET", "/next"]


async def test_tunnel_is_refused_with_all_that_was_to_go_through() -> None:
    async with serving(WireLimits()) as port:
        line = await port.connect()
        await line.say(b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\ncontent-length: %d\r\n\r\n" % len(INNER) + INNER)

        status, _ = await line.answer()

        assert status == 400
        assert await line.ended() == b""
        await line.close()


@pytest.mark.parametrize("requests", [1, 3])
async def test_caller_who_says_no_more_is_answered(requests: int) -> None:
    async with serving(WireLimits()) as port:
        line = await port.connect()
        await line.say(get("/slow") * requests)
        line.writer.write_eof()

        answers = [await line.answer() for _ in range(requests)]

        assert [status for status, _ in answers] == [200] * requests
        assert await line.ended() == b""
        await line.close()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n", 408),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n", 408),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab", 408),
        (CHUNKED + b"5\r\nhe", 408),
    ],
)
async def test_request_that_does_not_arrive_in_time_is_refused(said: bytes, status: int) -> None:
    async with serving(SOON) as port:
        line = await port.connect()
        await line.say(said)

        got, document = await line.answer()

        assert (got, document["status"]) == (status, status)
        assert await line.ended() == b""
        await line.close()


async def test_dripped_head_is_refused_though_something_arrives_all_the_time() -> None:
    async with serving(SOON) as port:
        line = await port.connect()
        await line.say(b"GET / HTTP/1.1\r\nhost: x\r\na: ")

        async def drip() -> None:
            while True:
                await line.say(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        got, _ = await line.answer()
        dripping.cancel()
        await line.close()

    assert got == 408


@pytest.mark.parametrize("said", [b"", b"\r\n"])
async def test_connection_that_asks_nothing_is_closed_in_silence(said: bytes) -> None:
    async with serving(SOON) as port:
        line = await port.connect()
        await line.say(said)

        assert await line.ended() == b""
        await line.close()


async def test_connection_that_is_idle_after_an_answer_is_closed() -> None:
    async with serving(WireLimits(), timeout_keep_alive=0) as port:
        line = await port.connect()
        await line.say(get())
        assert (await line.answer())[0] == 200

        assert await line.ended() == b""
        await line.close()


async def test_body_of_a_request_that_is_answered_already_is_not_read_for_ever() -> None:
    async with serving(SOON) as port:
        line = await port.connect()
        await line.say(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\na")
        assert (await line.answer())[0] == 200

        assert await line.ended() == b""
        await line.close()


@pytest.mark.parametrize("fields", [(), ("connection: close",)])
async def test_answer_that_nobody_reads_is_given_up(fields: tuple[str, ...]) -> None:
    async with serving(SOON) as port:
        line = await port.connect()
        line.writer.transport.pause_reading()  # type: ignore[attr-defined] # of a socket
        await line.say(get("/large", *fields))
        async with asyncio.timeout(DEADLINE):
            while port.server.server_state.connections:  # noqa: ASYNC110 — nor when a connection ends
                await asyncio.sleep(0.01)
        line.writer.transport.abort()


async def test_requests_sent_ahead_are_answered_in_turn_and_held_unparsed() -> None:
    async with serving(WireLimits()) as port:
        line = await port.connect()
        post = b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n\r\n\r\n"
        await line.say(get("/a") + post + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + get("/c") * 50)

        told = [(await line.answer())[1][:3] for _ in range(53)]

        assert told == [["GET", "/a", 0], ["POST", "/b", 4], ["POST", "/", 3], *[["GET", "/c", 0]] * 50]
        await line.close()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 41, 67, 99, 131])
async def test_requests_in_pieces_of_any_size_are_understood_alike(size: int) -> None:
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    whole = get("/a") + CHUNKED + b"3\r\nabc\r\n0\r\nt: v\r\n\r\n" + post + get("/c")
    async with serving(WireLimits()) as port:
        line = await port.connect()
        line.writer.transport.get_extra_info("socket").setsockopt(6, 1, 1)
        await line.say(*[whole[at : at + size] for at in range(0, len(whole), size)])

        told = [(await line.answer())[1][:3] for _ in range(4)]

        assert told == [["GET", "/a", 0], ["POST", "/", 3], ["POST", "/", 3], ["GET", "/c", 0]]
        await line.close()


async def test_trailers_are_no_headers() -> None:
    async with serving(WireLimits()) as port:
        _, told = await port.ask(CHUNKED + b"3\r\nabc\r\n0\r\nx-api-key: stolen\r\n\r\n")

    assert told[3] == ["host", "transfer-encoding"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (get(host=""), 400),
        (get("/", "host: y"), 400),
        (get(host="host: a b"), 400),
        (get(host="host: a/b"), 400),
        (get(host="host: x@y"), 400),
        (get(host="host: x:y"), 400),
        (get(host="host: x, y"), 400),
        (get(host="host: [::1]:80"), 200),
        (get(host="host: xn--bcher-kva.example:8080"), 200),
        (get(host="host: "), 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/0.9\r\n\r\n", 400),
        (get("/a#b"), 400),
    ],
)
async def test_request_names_its_host_in_one_good_header(head: bytes, status: int) -> None:
    async with serving(WireLimits()) as port:
        assert (await port.ask(head))[0] == status


@pytest.mark.parametrize("target", ["/a?", "/a", "/a?x=1&y=%2f", "/%C3%A9", "/a//b", "http://x/a?"])
async def test_target_is_told_exactly_as_it_was_sent(target: str) -> None:
    async with serving(WireLimits()) as port:
        assert (await port.ask(get(target)))[1][1] == target


async def test_the_longest_waiting_connection_makes_room_for_a_newcomer() -> None:
    async with serving(WireLimits(connections=3)) as port:
        idle = [await port.connect() for _ in range(3)]
        await idle[0].say(get("/first"))
        await idle[0].answer()
        await idle[1].say(b"GET / HTTP/1.1\r\na: b")

        assert (await port.ask(get("/new")))[0] == 200

        assert await idle[1].ended() == b""
        await idle[0].say(get("/again"))
        assert (await idle[0].answer())[0] == 200
        for line in idle:
            await line.close()


async def test_newcomer_is_told_when_every_connection_is_being_answered() -> None:
    busy, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        busy.release()
        await go_on.wait()
        await echo(scope, receive, send)

    async with serving(WireLimits(connections=2), slow) as port:
        lines = [await port.connect() for _ in range(2)]
        for line in lines:
            await line.say(get())
            await busy.acquire()

        refused = await port.connect()
        got, document = await refused.answer()
        go_on.set()

        assert (got, document["status"]) == (503, 503)
        assert [(await line.answer())[0] for line in lines] == [200, 200]
        for line in (*lines, refused):
            await line.close()
