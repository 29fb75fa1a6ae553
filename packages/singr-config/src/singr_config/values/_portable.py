"""Errors that cross processes."""

import copyreg
from typing import Any


class PortableError(Exception):
    """An error that is pickled and copied as it was raised, whatever its `__init__` takes.

    Of others Python keeps the text and calls the class with it again: where `__init__` takes something else, that
    raises in the process that waits for the error, and breaks its pool of processes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__ | {"args": self.args}  # type: ignore[attr-defined]  # pickle's own
