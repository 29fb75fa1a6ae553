"""Everywhere that a secret could have been left: logs, Redis, metrics, traces, tables."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import redis

from acceptance.system import System

_READERS = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1),
    b"stream": lambda client, key: client.xrange(key),
}


class RedisTap:
    """Every command that Redis is sent while the tap is open, and what lies in it at the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._commands: list[str] = []

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Listen."""
        with redis.Redis.from_url(self._url) as client, client.monitor() as monitor:
            thread = threading.Thread(target=self._listen, args=(monitor,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                with redis.Redis.from_url(self._url) as last:
                    last.echo("end-of-tap")
                thread.join(10)

    def _listen(self, monitor: Any) -> None:
        for command in monitor.listen():
            self._commands.append(command["command"])
            if "end-of-tap" in command["command"]:
                return

    def text(self) -> str:
        """Commands, keys and values."""
        with redis.Redis.from_url(self._url) as client:
            kept = [
                repr((key, _READERS.get(client.type(key), lambda *_: None)(client, key))) for key in client.scan_iter()
            ]
        return "\n".join([*self._commands, *kept])


def tables(system: System) -> dict[str, str]:
    """Every row of every table as text; bytes also as their own text, for what is stored in the clear."""
    names = system.site.sql(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
    )
    found = {}
    for (name,) in names:
        rows = system.site.sql(f"SELECT * FROM {name}")
        found[f"table {name}"] = "\n".join(_plain(value) for row in rows for value in row if value is not None)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{value.decode('latin-1')}\n{value.hex()}"
    return str(value)


def places(system: System, tap: RedisTap, answers: list[httpx.Response], traces: bytes) -> dict[str, str]:
    """Each place with all that is in it."""
    return {
        "the API's log": system.api.log.read_text(),
        "the worker's log": system.worker.log.read_text(),
        "the API's metrics": system.api.get("/metrics").text,
        "the worker's metrics": system.worker.get("/metrics").text,
        "the worker's health": system.worker.get("/health").text,
        "Redis": tap.text(),
        "the traces": traces.decode("latin-1"),
        "the answers": "\n".join(f"{answer.headers}\n{answer.text}" for answer in answers),
        **tables(system),
    }
