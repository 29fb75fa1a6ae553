"""Structs that hold secrets show none, also where their caller gave a plain text."""

import functools
import typing
from typing import Any

import msgspec

from singr_config.values._secret import Secret


class HoldsSecrets(msgspec.Struct, frozen=True):
    """The base of a struct with fields of type `Secret`, `Secret | None` or `tuple[Secret, ...]`.

    Python does not check annotations: whoever passes a plain `str` there would see it in the struct's repr, in
    tracebacks and logs. It is made a `Secret` instead. A subclass with a `__post_init__` of its own calls this one.

    >>> class Key(HoldsSecrets, frozen=True):
    ...     secret: Secret
    >>> Key("hunter2")
    Key(secret=Secret('***'))
    """

    def __post_init__(self) -> None:
        """Make secrets of plain texts."""
        for name in _fields(type(self)):
            given: Any = getattr(self, name)
            if isinstance(given, str):
                msgspec.structs.force_setattr(self, name, Secret(given))
            elif isinstance(given, (tuple, list)) and any(isinstance(one, str) for one in given):
                kept = tuple(Secret(one) if isinstance(one, str) else one for one in given)
                msgspec.structs.force_setattr(self, name, kept)


@functools.cache
def _fields(struct: type[HoldsSecrets]) -> tuple[str, ...]:
    return tuple(name for name, hint in typing.get_type_hints(struct).items() if _mentions_secret(hint))


def _mentions_secret(hint: Any) -> bool:
    return hint is Secret or any(map(_mentions_secret, typing.get_args(hint)))
