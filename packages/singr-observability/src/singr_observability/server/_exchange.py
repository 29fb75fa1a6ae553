"""A request and its answer, as uvicorn keeps them; but an answer leaves in one piece, and its head is looked at once.

uvicorn asks two regular expressions about each header field of each answer. The names are the code's own, so each is
looked at the first time; what values must not hold is looked for in the whole head.
"""

import asyncio
import re
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from singr_observability.server._cork import Cork
from singr_observability.server._limits import ENDLESS

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110, 5.6.2
_MOST_NAMES: Final = 1_000
_NO_CONTROLS: Final = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_NO_CONTENT: Final = 204
_WITHOUT_BODY: Final = frozenset({_NO_CONTENT, 304})

_names: dict[bytes, bytes] = {}


def _checked(name: bytes) -> bytes:
    """Return a field's name as it is written, and remember it: names come from code, never from a caller."""
    if not _TOKEN(name):
        raise RuntimeError(f"a header field has no name that HTTP knows: {name!r}")
    lower = name.lower()
    if len(_names) < _MOST_NAMES:
        _names[name] = lower
    return lower


class Exchange(RequestResponseCycle):
    """One request, and its answer, whose head waits for the first piece of its body, as ASGI has it."""

    cork: Cork
    _head = b""
    _says_close = False
    _bodiless = False
    _awaited = False

    @classmethod
    def of(cls, protocol: HttpToolsProtocol, cork: Cork) -> "Exchange":
        """Return that of the request whose head has just been read."""
        parser, scope = protocol.parser, protocol.scope
        version = parser.get_http_version()
        target = httptools.parse_url(protocol.url)
        path = target.path.decode("ascii")
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = protocol.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = protocol.root_path.encode("ascii") + target.path
        scope["query_string"] = target.query or b""
        scope["state"]["singr_target"] = protocol.url
        made = cls(
            scope=scope,
            transport=cork,  # type: ignore[arg-type]  # all that a transport does, it does
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=protocol.expect_100_continue and version != "1.0",  # RFC 9110, 10.1.1
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=protocol.on_response_complete,
        )
        made.cork = cork
        return made

    def outrun(self) -> bool:
        """Note that the caller waits for the end: it has closed its side, or sent another request behind this one.

        False where there is none, now or once the answer begins: nobody would see such a caller leave, so it ends here.
        """
        self._awaited = True
        if ENDLESS not in self.scope["state"]:
            return True
        self.cork.close()
        return False

    async def send(self, message: Any) -> None:
        """Send what the app says.

        Raises:
            RuntimeError: it breaks HTTP, or ASGI.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started and kind == "http.response.start":
            self._start(message)
        elif self.response_started and not self.response_complete and kind == "http.response.body":
            self._go_on(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"an application sent {kind!r} where none may come")

    def _start(self, message: Any) -> None:
        if self._awaited:
            self.outrun()
        self.response_started = True
        self.waiting_for_100_continue = False
        status = message["status"]
        self._bodiless = self.scope["method"] == "HEAD" or status in _WITHOUT_BODY
        parts = [STATUS_LINE[status]]
        lines = 2
        for name, value in (*self.default_headers, *message.get("headers", ())):
            written = _names.get(name) or _checked(name)
            if written in _FRAMING:
                if status == _NO_CONTENT and written != b"connection":
                    continue  # RFC 9110, 8.6
                self._frame(written, value)
            parts += (written, b": ", value, b"\r\n")
            lines += 1
        if not self.keep_alive and not self._says_close:
            parts.append(b"connection: close\r\n")
            lines += 1
        if self.chunked_encoding is None and not self._bodiless and self.scope["http_version"] != "1.0":
            self.chunked_encoding = True  # of no length that was told; HTTP/1.0 knows its end by the connection's
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        # what is left is an end of line for each field, or somebody's text would be read as a field of its own
        if head.translate(None, _NO_CONTROLS) != b"\r\n" * lines:
            raise RuntimeError("a header field of this answer holds a control character")
        self._head = head

    def _frame(self, name: bytes, value: bytes) -> None:
        if name == b"connection":
            if b"close" in [token.strip() for token in value.lower().split(b",")]:
                self.keep_alive = False
                self._says_close = True
        elif self.chunked_encoding is not None:
            raise RuntimeError("an answer says twice where it ends")
        elif name == b"content-length":
            self.expected_content_length = int(value)
            self.chunked_encoding = False
        elif value.lower() == b"chunked":
            self.chunked_encoding = True

    def _go_on(self, body: bytes, *, more: bool) -> None:
        if self._bodiless:
            body = b""  # or it would be read as the beginning of the next answer
        elif self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"" if more else b"0\r\n\r\n"
        elif self.chunked_encoding is not None:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("an answer is not as long as its Content-Length says")
        head, self._head = self._head, b""
        if more:
            self.cork.write(head + body)
            return
        self.cork.write_now(head + body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.cork.close()
        self.on_response()
