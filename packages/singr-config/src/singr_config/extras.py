"""What to say where a library that an extra brings is not installed."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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


def is_installed(*modules: str) -> bool:
    """Return whether all these top-level modules can be imported; imports nothing."""
    try:
        return all(_is_there(module) for module in modules)
    except (ImportError, ValueError):
        return False


def as_asked(error: MissingExtraError, asker: FrameType) -> Exception:
    """Return what a package's `__getattr__` raises where the extra of a name is missing, in the same words.

    `from package import name` gets the `ImportError` that it expects; a look-up (`hasattr`, `inspect`, `pydoc`) gets an
    `AttributeError`. CPython lets no exception be both: their layouts conflict.

    Args:
        error: what the import of the name raised.
        asker: the frame that asked, `sys._getframe(1)` in `__getattr__`. Before `from package import name` the import
            system looks itself; told that nothing is there, it would say that in words of its own.
    """
    return error if asker.f_code.co_name == "_handle_fromlist" else AttributeError(str(error))


def _is_there(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


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
