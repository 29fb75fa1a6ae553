"""Says of every time in a schema that it is one: msgspec does so of those alone that must have a time zone."""

from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from singr_api.routing.walking import component_of, nodes_in


def publish_moments(types: Iterable[Any], components: dict[str, dict[str, Any]]) -> None:
    """Add `format: date-time` (RFC 3339) to the times in the components that msgspec made of these types."""
    for struct in nodes_in(types):
        if not isinstance(struct, inspect.StructType):
            continue
        properties = component_of(struct, components).get("properties", {})
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
