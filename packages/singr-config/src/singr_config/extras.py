"""What to say where a library that an extra brings is not installed."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtraError(ImportError):
    """A part of a distribution was imported without the extra that it needs; says which to install."""


@contextmanager
def extra(distribution: str, name: str) -> Iterator[None]:
    """Let the block import what an extra brings.

    Args:
        distribution: as it is installed, such as `singr-auth`.
        name: of the extra, such as `httpx`.

    Raises:
        MissingExtraError: a library of it is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or "a library"
        raise MissingExtraError(
            f"{missing} is not installed: install {distribution}[{name}], which brings it.", name=error.name
        ) from error


def require_extra(distribution: str, name: str, *modules: str) -> None:
    """Return if what an extra brings is installed; imports nothing.

    Args:
        distribution: as it is installed, such as `singr-auth`.
        name: of the extra, such as `accounts`.
        modules: top-level modules that it brings.

    Raises:
        MissingExtraError: one of them is not there.
    """
    with extra(distribution, name):
        for module in modules:
            if module not in sys.modules and importlib.util.find_spec(module) is None:
                raise ModuleNotFoundError(name=module)
