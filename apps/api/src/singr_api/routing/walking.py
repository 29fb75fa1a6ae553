"""What types hold, at any depth, as msgspec tells of it; and the component that it made of a struct."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect


def nodes_in(types: Iterable[Any]) -> Iterator[inspect.Type]:
    """Everything that the types hold; of a struct what it holds, once."""
    seen: set[type] = set()
    waiting: list[Any] = list(inspect.multi_type_info(list(types)))
    while waiting:
        node = waiting.pop()
        if isinstance(node, inspect.StructType):
            if node.cls in seen:
                continue
            seen.add(node.cls)
        if isinstance(node, inspect.Type):
            yield node
        if isinstance(node, msgspec.Struct):
            waiting += [getattr(node, name) for name in node.__struct_fields__]
        elif isinstance(node, tuple):
            waiting += node


def component_of(struct: inspect.StructType, components: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of a struct; nothing where none was made of it."""
    whole = f"{struct.cls.__module__}.{struct.cls.__qualname__}"  # where two share a name
    return components.get(struct.cls.__name__, components.get(whole)) or {}
