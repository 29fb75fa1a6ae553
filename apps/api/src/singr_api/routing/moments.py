"""Says of every time in a schema that it is one: msgspec does so of those alone that must have a time zone."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect


def publish_moments(types: Iterable[Any], components: dict[str, dict[str, Any]]) -> None:
    """Add `format: date-time` (RFC 3339) to the times in the components that msgspec made of these types."""
    for struct in _structs(inspect.multi_type_info(list(types))):
        whole = f"{struct.cls.__module__}.{struct.cls.__qualname__}"  # where two share a name
        component = components.get(struct.cls.__name__, components.get(whole))
        properties = (component or {}).get("properties", {})
        for field in struct.fields:
            kinds = {type(kind) for kind in _members(field.type)}
            if inspect.DateTimeType in kinds and inspect.StrType not in kinds:
                _say(properties.get(field.encode_name, {}))


def _say(schema: dict[str, Any]) -> None:
    for place in (schema, *schema.get("anyOf", ())):
        if place.get("type") == "string":
            place["format"] = "date-time"


def _members(node: inspect.Type) -> tuple[inspect.Type, ...]:
    bare = node.type if isinstance(node, inspect.Metadata) else node
    return bare.types if isinstance(bare, inspect.UnionType) else (bare,)


def _structs(nodes: Iterable[Any]) -> Iterator[inspect.StructType]:
    """Every struct that the types hold, at any depth, once."""
    seen: set[type] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, inspect.StructType):
            if node.cls in seen:
                continue
            seen.add(node.cls)
            yield node
        if isinstance(node, msgspec.Struct):
            waiting += [getattr(node, name) for name in node.__struct_fields__]
        elif isinstance(node, tuple):
            waiting += node
