"""What stands where the object store should be: a portal, another region, a plain web server."""

import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from singr_config import ObjectStoreSettings, Secret
from singr_db import ObjectStore, ObjectStoreAwayError
from singr_db.objects._parts import PART_BYTES

PAGE = b"<html><body>Welcome to the hotel's network</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}
XML = {"Content-Type": "application/xml"}


def refused(code: str, more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message>{more}</Error>".encode()


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def store(endpoint: str) -> ObjectStore:
    return ObjectStore(
        ObjectStoreSettings(
            endpoint=endpoint,
            access_key_id="test",
            secret_access_key=Secret("test"),
            bucket=f"singr-{secrets.token_hex(6)}",
        )
    )


async def chunks(size: int) -> AsyncIterator[bytes]:
    yield b"x" * size


ASKS: dict[str, Callable[[ObjectStore], Any]] = {
    "put": lambda one: one.put("key", b"x"),
    "a small stream": lambda one: one.put_stream("key", chunks(1)),
    "a large stream": lambda one: one.put_stream("key", chunks(PART_BYTES + 1)),
    "get": lambda one: one.get("key"),
    "delete": lambda one: one.delete("key"),
}


@pytest.mark.parametrize("ask", ASKS)
async def test_page_of_a_portal_is_taken_for_no_object_store(ask: str) -> None:
    with answering(200, HTML, PAGE) as endpoint:
        async with store(endpoint) as one:
            with pytest.raises(ObjectStoreAwayError, match="is no object store, but perhaps a portal"):
                await ASKS[ask](one)


async def test_answer_without_a_tag_has_kept_nothing() -> None:
    with answering(200, {}, b"") as endpoint:
        async with store(endpoint) as one:
            with pytest.raises(ObjectStoreAwayError, match="is no object store"):
                await one.put("key", b"x")


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (301, XML, refused("PermanentRedirect"), "S3_REGION, and S3_ENDPOINT, if set, must be those of the bucket"),
        (301, {**XML, "x-amz-bucket-region": "eu-west-1"}, refused("PermanentRedirect"), "S3_REGION"),
        (
            400,
            XML,
            refused("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
            r"S3_REGION, .* the bucket's region \(eu-west-1\)",
        ),
        (400, XML, refused("InvalidBucketName"), "S3_BUCKET must be a name that this store takes"),
        (302, {"Location": "/sign-in"}, b"", "S3_ENDPOINT"),
        (404, HTML, PAGE, "CreateBucket: 404, look at S3_ENDPOINT"),
        (405, HTML, PAGE, "look at S3_ENDPOINT"),
    ],
    ids=["redirect", "redirect to a region", "wrong region", "wrong name", "sign-in page", "no such path", "no PUT"],
)
async def test_what_a_setting_makes_up_for_is_an_outage_that_names_it(
    status: int, headers: dict[str, str], body: bytes, said: str
) -> None:
    with answering(status, headers, body) as endpoint:
        async with store(endpoint) as one:
            with pytest.raises(ObjectStoreAwayError, match=said):
                await one.put("key", b"x")
