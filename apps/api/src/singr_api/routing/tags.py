"""Says of a tag that it may be left out where nothing is told apart by it: msgspec asks for it in a union alone."""

from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from singr_api.routing.walking import component_of, nodes_in


def publish_tags(types: Iterable[Any], components: dict[str, dict[str, Any]]) -> None:
    """Take tags off what is required in the components that msgspec made of these types, where they are not.

    A job's own struct has a tag, which names its type; as a payload beside a `type` it stands for itself.
    """
    nodes = list(nodes_in(types))
    unions = [one.types for one in nodes if isinstance(one, inspect.UnionType)]
    apart = {struct.cls for members in unions for struct in _several(members)}
    for struct in nodes:
        if isinstance(struct, inspect.StructType) and struct.tag is not None and struct.cls not in apart:
            component = component_of(struct, components)
            component["required"] = [name for name in component.get("required", ()) if name != struct.tag_field]


def _several(members: Iterable[inspect.Type]) -> list[inspect.StructType]:
    """The structs of a union, where they have to be told apart."""
    bare = (one.type if isinstance(one, inspect.Metadata) else one for one in members)
    structs = [one for one in bare if isinstance(one, inspect.StructType)]
    return structs if len(structs) > 1 else []
