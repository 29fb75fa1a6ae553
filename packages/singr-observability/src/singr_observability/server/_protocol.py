"""HTTP/1.1 as uvicorn speaks it, with bounds on what comes before, around and after a request.

uvicorn hands all that arrives to its parser, which keeps what it is given: a head of any size, header fields without
number, whole rows of requests sent ahead. Here bytes are handed over one request at a time, cut where a head or a
chunked body may end; the rest waits unparsed, and nothing more is read from the connection until it is its turn.

A request that arrives whole, as nearly all do, costs two counts over its bytes and a look at its fields, and saves the
timer that uvicorn sets after each: one look a second finds who has been idle too long.
"""

import asyncio
import re
from functools import partial
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from singr_observability.logs._logging import get_logger
from singr_observability.redaction._masks import mask_address
from singr_observability.server._connections import Connections
from singr_observability.server._cork import Cork
from singr_observability.server._exchange import Exchange
from singr_observability.server._limits import WireLimits
from singr_observability.server._refusals import (
    FULL,
    Refusal,
    body_too_large,
    head_too_large,
    malformed,
    too_slow,
)

_END: Final = b"\r\n\r\n"
"""Ends every head, and every chunked body, with its trailers: the parser takes no line that ends otherwise."""

_LINGER_SECONDS: Final = 5.0
_FREE_WRAPPING: Final = 64 * 1024
_MOST_WRAPPING: Final = 8  # bytes for each of a chunked body; chunks of a single one take five
_CHUNKED: Final = -1
_NEW, _HEAD, _BODY = range(3)

# RFC 9110, 7.2: a name or an address, perhaps with a port; or nothing, where the target has no authority
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-fvV:.]+\])?(?::[0-9]{0,5})?").fullmatch
_log = get_logger("singr.http")


def bounded(limits: WireLimits | None = None) -> Any:
    """Return the protocol for `uvicorn.Config(http=…)`."""
    return partial(BoundedProtocol, limits=limits or WireLimits())


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    A request past the limits is answered with a problem document: 431 for its head, 408 where it did not arrive in
    time, 413 for a chunked body that is mostly wrapping, 400 for what is no HTTP/1.1 (also without exactly one `Host`);
    then the connection is closed. `scope["state"]["singr_target"]` is the request's target, exactly as sent.
    """

    def __init__(self, *args: Any, limits: WireLimits | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle: Any  # an `Exchange`; none at first
        self._limits = limits or WireLimits()
        self._all = Connections.of(self.server_state, self._limits, self.timeout_keep_alive)
        self.site: str | None = None
        self._phase = _NEW
        self._head = 0  # bytes of this head so far
        self._lines = 0
        self._left = 0  # bytes of this body to come
        self._wrapping = 0  # bytes of a chunked body that are not its own, so far
        self._tail = b""  # what the end of this part may have begun with
        self._held = b""  # what arrived before its turn
        self._host: bytes | None = None  # the last that was found to be one
        self.since = 0.0  # when its last answer was given
        self._refusal: Refusal | None = None
        self._wish: list[tuple[bytes, bytes]] | None = None  # `Upgrade`, as this request has it, once it is turned down
        self._stopped_at: bytes | None = None  # the head's first line, where the parser stopped for such a wish
        self._half_closed = False
        self._ended = False
        self._deadline: asyncio.TimerHandle | None = None

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin a connection."""
        self._cork = Cork(transport, self.loop)
        super().connection_made(self._cork)  # type: ignore[arg-type]  # all that a transport does, it does
        caller = self._all.caller(self.client[0] if self.client else None)
        self.site = caller.site
        if not self._all.opened(self):
            self._ended = True
            self._cork.write(FULL.answer()[1])
            self._cork.close()  # without waiting for what it says: there is no room to wait in
            return
        self.since = self.loop.time()
        # a proxy opens connections ahead of those who will need them
        patience = self.timeout_keep_alive if caller.proxy else self._limits.head_seconds
        self._deadline = self.loop.call_later(patience, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._all.closed(self)
        self._held = b""
        self._ended = True
        self._no_deadline()
        self._cork.unwatch()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's closes
        """Stay open for answers that end: a caller may say no more and still listen (RFC 9112, 9.6)."""
        self._half_closed = not self._ended and self._phase == _NEW and self._answering() and self.cycle.outrun()
        return self._half_closed

    def give_way(self) -> None:
        """Close, so that another has room."""
        self._ended = True
        if self._cork.unread:
            self._cork.abort()
        else:
            self._cork.close()

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._ended:
            return
        if self._held:
            self._held += data
            return
        if (
            self._phase == _NEW
            and data.count(_END) == 1
            and data.count(b"\n") <= self._limits.fields
            and len(data) <= self._limits.head_bytes
            and not self._answering()
        ):
            if not self._feed(data):
                return
            if self._phase != _NEW or self._begun():
                self._beyond(data)
        elif not self._take(data):
            return
        if self._phase == _NEW:
            if self._deadline is not None:
                self._no_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(
                self._limits.head_seconds if self._phase == _HEAD else self._limits.body_seconds, self._too_slow
            )

    def _beyond(self, data: bytes) -> None:
        """Take stock of what was handed over in one piece, and was less, or more, than a whole request."""
        size = len(data) - data.find(_END) - len(_END)  # past the first head, or past empty lines
        if self._phase == _BODY:
            if self._left == _CHUNKED:
                self._tail = data[-3:]
            else:
                self._left -= size
            return
        self._phase = _HEAD
        self._head = size - self._left
        rest = data[len(data) - self._head :]
        self._lines = rest.count(b"\n")
        self._tail = rest[-3:]

    def _begun(self) -> bool:
        """Tell whether the parser has seen the beginning of the head that comes next."""
        scope: Any = self.scope  # neither is there at first, whatever its type says
        cycle: Any = self.cycle
        return scope is not None and (cycle is None or scope is not cycle.scope)

    def _take(self, data: bytes) -> bool:
        """Hand over what belongs to this request; False once the connection is refused."""
        while data:
            if self._phase == _BODY:
                end = self._end_of_body(data)
            elif self._answering():
                # The next request, while this one is being answered: it waits as it is, and so does what follows it.
                self._held = data
                self._cork.hold()
                return bool(self.cycle.outrun())
            else:
                end = self._end_of_head(data)
            part, data = (data, b"") if end == len(data) else (data[:end], data[end:])
            hand_over = self._unwrap if self._phase == _BODY and self._left == _CHUNKED else self._feed
            if not end or not hand_over(part):
                return False
        return True

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None at first, whatever its type says
        return cycle is not None and not cycle.response_complete

    def _end_of_head(self, data: bytes) -> int:
        """Return how much of this belongs to the head; 0 if it is refused."""
        found = self._find(data)
        size = found or len(data)
        self._head += size
        self._lines += data.count(b"\n", 0, size)
        if self._head > self._limits.head_bytes:
            most = self._limits.head_bytes
            return self._refuse(head_too_large(f"Request line and header fields have at most {most} bytes together."))
        if self._lines > self._limits.fields + (2 if found else 1):
            return self._refuse(head_too_large(f"A request has at most {self._limits.fields} header fields."))
        if self._phase == _NEW:
            self._phase = _HEAD
            self._no_deadline()
        return size

    def _end_of_body(self, data: bytes) -> int:
        if self._left != _CHUNKED:
            size = min(self._left, len(data))
            self._left -= size
            return size
        return self._find(data) or len(data)

    def _find(self, data: bytes) -> int:
        """Return how much of this belongs to the part that ends here; 0 where its end is not in sight."""
        tail = self._tail
        found = (tail + data if tail else data).find(_END)
        if found >= 0:
            self._tail = b""
            return found + len(_END) - len(tail)
        self._tail = (tail + data)[-3:] if len(data) < len(_END) else data[-3:]
        return 0

    def _feed(self, data: bytes) -> bool:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as at:
                data = self._turned_down() + data[at.args[0] :]
            except httptools.HttpParserError:
                self._refuse(self._refusal or malformed("What arrived is not HTTP/1.1 as RFC 9112 has it."))
                return False
            else:
                return True

    def _turned_down(self) -> bytes:
        """Return the head that the parser stopped at without its wish for another protocol, for a parser anew.

        Nothing else is spoken here, and a wish that is not granted changes nothing: the request has its body all the
        same (RFC 9110, 7.8), which the parser would take for the next request.
        """
        line, self._stopped_at = self._stopped_at or b"", None
        self._wish = [header for header in self.headers if header[0] == b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        kept = (b"%b: %b" % header for header in self.headers if header[0] != b"upgrade")
        return b"\r\n".join((line, *kept, b"", b""))

    def _unwrap(self, data: bytes) -> bool:
        """Hand over part of a chunked body; False once it is refused."""
        cycle = self.cycle
        before = len(cycle.body)
        if not self._feed(data):
            return False
        if not cycle.response_complete:  # else all of it is thrown away
            content = len(cycle.body) - before
            self._wrapping = max(0, self._wrapping + len(data) - content * (_MOST_WRAPPING + 1))
            if self._wrapping > _FREE_WRAPPING:
                self._refuse(body_too_large("The sizes, extensions and trailers of chunks outweigh their content."))
                return False
        return True

    # -- what the parser finds

    def on_headers_complete(self) -> None:
        """Look at the head as a whole, and start answering.

        Raises:
            ValueError: it is refused; the parser takes that for an error of its own.
        """
        headers = self.headers
        if self.parser.should_upgrade():
            self._stop_at_wish()
            return
        if self._wish is not None:
            headers += self._wish
            self._wish = None
        named = dict(headers)
        host = named.get(b"host")
        if host is None or host != self._host or len(named) != len(headers) or b"#" in self.url:
            self._check_head(host, sum(name == b"host" for name, _ in headers))
        self._phase = _BODY
        if self._deadline is not None:
            self._no_deadline()
        self._left = _CHUNKED if b"transfer-encoding" in named else int(named.get(b"content-length", 0))
        self.cycle = Exchange.of(self, self._cork)
        self._start_asgi_task(self.cycle, self.app)
        self.headers = []  # trailers are no headers (RFC 9110, 6.5.1): they are read, and told to nobody

    def _stop_at_wish(self) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refusal = malformed("This is no proxy: there is nothing to CONNECT to.")
            raise ValueError
        self._stopped_at = b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())

    def _check_head(self, host: bytes | None, hosts: int) -> None:
        version = self.parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            self._refusal = malformed("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        elif hosts > 1 or (host is None and version == "1.1"):
            self._refusal = malformed("A request names its host in exactly one Host header (RFC 9112, 3.2).")
        elif host is not None and not _HOST(host):
            self._refusal = malformed("The header Host is no host name or address, with or without a port.")
        elif b"#" in self.url:
            self._refusal = malformed("A request's target has no fragment.")
        if self._refusal is not None:
            raise ValueError
        self._host = host

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        if self._stopped_at is not None:
            return  # only its head is here
        self._phase = _NEW
        self._head = self._lines = self._wrapping = 0
        self._tail = b""
        if not self.cycle.response_complete:
            self._all.waiting.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what has waited for this answer's end."""
        self.server_state.total_requests += 1
        if self._ended:
            return
        if self.transport.is_closing():
            if self._cork.unread:
                self._cork.watch(self._limits.stalled_seconds)
            return
        self.flow.resume_reading()
        self.since = self.loop.time()
        self._all.waiting[self] = None
        if self._held:
            held, self._held = self._held, b""
            self._cork.release()
            self.data_received(held)
        elif self._half_closed:
            self.give_way()

    def idle(self) -> None:
        """End a connection that nobody has used for long, unless a request is on its way."""
        if self._phase == _NEW and self._deadline is None:
            self.give_way()

    def _refuse(self, refusal: Refusal) -> int:
        """Answer what never became a request, and hang up: gently, or the answer would be lost with the rest."""
        self._ended = True
        self._held = b""
        self._no_deadline()
        if self._answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._cork.abort()
                return 0
        request_id, answer = refusal.answer()
        where = mask_address(self.client[0]) if self.client else "this machine"
        _log.info("refused a request of {}: {} {} ({})", where, refusal.status, refusal.slug, request_id)
        self._cork.write(answer)
        self._cork.end()
        self._cork.release()  # what is still on its way is read, and thrown away
        self._deadline = self.loop.call_later(_LINGER_SECONDS, self._cork.abort)
        return 0

    def _too_slow(self) -> None:
        self._deadline = None
        if self._phase != _BODY and not self._begun():
            self.give_way()  # nothing was asked
        elif self._phase == _HEAD and self._answering():
            self._deadline = self.loop.call_later(self._limits.head_seconds, self._too_slow)  # it waits for us
        elif self._phase == _HEAD:
            self._refuse(too_slow(f"A request's head arrives within {self._limits.head_seconds:g} seconds."))
        elif self.cycle.response_complete:
            self.give_way()
        else:
            self._refuse(too_slow(f"A request's body arrives within {self._limits.body_seconds:g} seconds."))

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # -- what goes out

    def pause_writing(self) -> None:
        """Wait for a caller who does not read on, but not for ever."""
        super().pause_writing()
        self._cork.watch(self._limits.stalled_seconds)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._cork.unwatch()
