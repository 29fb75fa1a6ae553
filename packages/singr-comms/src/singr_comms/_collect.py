"""What a package is made of, found in it: a file that is one of many is listed nowhere."""

from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from singr_comms._errors import DeclarationError

_Declared = TypeVar("_Declared")


def collected(package: str, name: str, kind: type[_Declared]) -> list[_Declared]:
    """What each module of a package declares under a name, in the order of the modules; `_private` ones are passed.

    Args:
        package: where to look, such as `singr_comms.messages`.
        name: what a module calls it, such as `MESSAGE_TYPE`.
        kind: what it must be.

    Raises:
        DeclarationError: a module declares none; the message says what to write.
    """
    try:
        folder = import_module(package).__path__
    except AttributeError:
        raise DeclarationError(
            f"{package} is one file: collect from a package, whose modules declare one each"
        ) from None
    found = []
    for module in iter_modules(folder):
        if module.name.startswith("_"):
            continue
        path = f"{package}.{module.name}"
        declared = getattr(import_module(path), name, None)
        if not isinstance(declared, kind):
            raise DeclarationError(
                f"{path} declares no {name}: write `{name} = {kind.__name__}(…)`, or begin its name with an underscore"
            )
        found.append(declared)
    return found
