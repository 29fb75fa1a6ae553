"""Times as PostgreSQL can store and Python cannot: the years before 1 and after 9999, and infinity."""

from datetime import UTC, datetime
from typing import Any

from psycopg import BaseConnection, DataError, adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

_TIMESTAMPTZ = 1184
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class _AsFarAsItGoes(Loader):
    """Reads as the driver does, and brings what lies beyond the calendar to its end: no row may hide for a time."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._read = _DRIVERS[self.format](oid, context)

    def load(self, data: Buffer) -> datetime:
        try:
            time: datetime = self._read.load(data)
        except DataError:
            return _FIRST if self._is_early(bytes(data)) else _LAST
        return time

    def _is_early(self, data: bytes) -> bool:
        return data.startswith(b"-") or data.endswith(b"BC")


class _AsFarAsItGoesBinary(_AsFarAsItGoes):
    format = Format.BINARY

    def _is_early(self, data: bytes) -> bool:
        return data[0] >= 0x80  # noqa: PLR2004 - the sign of a big-endian number


def _drivers() -> dict[Format, type[Any]]:
    found = {format_: adapters.get_loader(_TIMESTAMPTZ, format_) for format_ in (Format.TEXT, Format.BINARY)}
    return {format_: loader for format_, loader in found.items() if loader is not None}


_DRIVERS = _drivers()


def read_every_time(connection: BaseConnection[Any]) -> None:
    """Make a connection read every time that PostgreSQL can store."""
    for loader in (_AsFarAsItGoes, _AsFarAsItGoesBinary):
        connection.adapters.register_loader(_TIMESTAMPTZ, loader)
