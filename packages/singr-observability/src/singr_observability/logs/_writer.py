"""Lines on their way to the log: collected for up to 50 ms, encoded and written together.

A write per line costs more than making the line. A thread of its own writes them, so that neither a slow sink nor a
busy event loop holds the other up, and lines still come out when the loop hangs. What matters (warnings and worse)
is written at once, and everything at exit.
"""

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TextIO

from singr_observability._forks import forks

FLUSH_SECONDS: Final = 0.05
_MAX_PENDING: Final = 50_000
_CHUNK: Final = 2_000


class LineWriter:
    """Takes items (any thread), hands them to `encode` in batches, and writes the bytes to `stream`.

    When the sink does not keep up and 50,000 lines wait, further ones are dropped and counted: a log that nobody
    reads must not stop the service. `dropped` turns a count into a line that says so.
    """

    def __init__(
        self, stream: TextIO, encode: Callable[[Sequence[object]], bytes], dropped: Callable[[int], object]
    ) -> None:
        self._stream = stream
        self._encode = encode
        self._describe_dropped = dropped
        self._pending: deque[object] = deque()
        self._dropped = 0
        self._awake = False
        self._closed = False
        self._buffered = True
        self._wake = threading.Event()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        atexit.register(self.close)
        forks.add(self)

    def put(self, item: object) -> None:
        """Add one item; it is written within about 50 ms."""
        if len(self._pending) >= _MAX_PENDING:
            self._dropped += 1
            return
        self._pending.append(item)
        if not self._awake:
            self._arm()

    def put_now(self, item: object) -> None:
        """Add one item and write all there is before returning."""
        self._pending.append(item)
        self.flush()

    def flush(self) -> None:
        """Write everything that was put before this call."""
        with self._lock:
            self._drain()

    def set_buffered(self, *, buffered: bool) -> None:
        """Collect lines (the rule), or write each at once: for a process that may end at any moment."""
        self._buffered = buffered
        self._awake = False  # or the next line would rely on the thread
        self.flush()

    def close(self) -> None:
        """Write what is left and stop the thread; items put later are written at once. Safe to call twice."""
        self._closed = True
        self._awake = False
        self._wake.set()
        self.flush()
        atexit.unregister(self.close)
        forks.discard(self)

    def _arm(self) -> None:
        self._awake = True
        if self._closed or not self._buffered:
            self._awake = False
            self.flush()
            return
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="singr-log-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closed:
                return
            time.sleep(FLUSH_SECONDS)
            # Before the drain: whoever puts an item from here on wakes this thread again.
            self._awake = False
            self.flush()

    def _drain(self) -> None:
        pending = self._pending
        while pending:
            count = min(len(pending), _CHUNK)
            self._write(self._encode([pending.popleft() for _ in range(count)]))
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._write(self._encode([self._describe_dropped(dropped)]))

    def _write(self, data: bytes) -> None:
        # A sink that is gone (a closed pipe, a full disk) is no reason to fail the work that is being logged.
        with suppress(OSError, ValueError):
            binary = getattr(self._stream, "buffer", None)
            if binary is None:
                self._stream.write(data.decode())
            else:
                binary.write(data)
            self._stream.flush()

    def before_fork(self) -> None:
        """Write what is there, so that the child does not write it again, and keep the lock over the fork."""
        self._lock.acquire()
        self._drain()

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the thread stayed behind, and the lock belongs to it or to the parent."""
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._pending.clear()
        self._dropped = 0
        self._awake = False
        self._thread = None
