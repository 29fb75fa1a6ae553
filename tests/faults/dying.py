"""A process that ends between two statements, in one process."""

from typing import Any


class KilledError(Exception):
    """The process ended here."""


class Dying:
    """A connection whose process ends before its nth statement, and takes the open transaction along."""

    def __init__(self, connection: Any, lives: int) -> None:
        self._connection = connection
        self._lives = lives

    async def execute(self, *arguments: Any) -> Any:
        if self._lives == 0:
            raise KilledError
        self._lives -= 1
        return await self._connection.execute(*arguments)

    def transaction(self) -> Any:
        return self._connection.transaction()
