"""Libraries that try again say the same each time: it is written once a minute."""

import logging
import re
import time
from typing import Final

_SAID_AGAIN_AFTER: Final = 60.0
# Those that say hundreds of lines of one outage. What others log may count something, line by line.
_LIBRARIES: Final = ("psycopg.pool", "dramatiq")
# asyncio says this with a stack, thousands of times a second, while a process may open no more connections.
_FULL: Final = "socket.accept() out of system resource"
_VARIES: Final = re.compile(r"0x[0-9a-f]+|\d+")
_KEPT: Final = 200


class Repeats:
    """Knows what was said lately: another reason is another line, another number, connection or queue is none."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def of(self, record: logging.LogRecord, message: str) -> str | None:
        """What to write for a record: its message, with how often that was said meanwhile; None for nothing.

        Args:
            record: of any logger.
            message: what it says.
        """
        library = next((name for name in _LIBRARIES if record.name == name or record.name.startswith(f"{name}.")), None)
        if message.startswith(_FULL):
            library = record.name
        elif library is None or record.exc_info:
            return message
        key, now = (library, _VARIES.sub("#", message)), time.monotonic()
        at, more = self._said.pop(key, (now - _SAID_AGAIN_AFTER, 0))
        if now - at < _SAID_AGAIN_AFTER:
            self._said[key] = at, more + 1
            return None
        self._said[key] = now, 0
        if len(self._said) > _KEPT:
            del self._said[next(iter(self._said))]
        return f"{message} ({more} times more before)" if more else message
