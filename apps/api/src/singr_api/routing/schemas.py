"""JSON Schema of msgspec structs, as OpenAPI 3.1 wants it: unions told apart, docstrings as descriptions."""

import copy
import inspect
import json
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from singr_api.routing.moments import publish_moments
from singr_api.routing.patterns import publish_patterns
from singr_api.routing.tags import publish_tags

_REF: Final = "#/components/schemas/"
_SECTION: Final = re.compile(r"\n\s*(?:Args|Attributes):\n")
_DEFAULT: Final = "Default:"
_ENTRY: Final = re.compile(r"^(\w+): (.+)$")


class SchemaSet:
    """The schemas of a set of types."""

    def __init__(self, types: Iterable[Any]) -> None:
        listed = list(types)
        schemas, named = msgspec.json.schema_components(listed, ref_template=_REF + "{name}")
        publish_moments(listed, named)
        publish_tags(listed, named)
        schemas, components = _renamed((schemas, named), {name: _short(name) for name in named if "." in name})
        self._by_type = [(type_, _published(schema)) for type_, schema in zip(listed, schemas, strict=True)]
        self.components: dict[str, Any] = {name: _published(components[name]) for name in sorted(components)}
        self._taken: dict[str, Any] = {}
        for component in self.components.values():
            component.pop("title", None)  # the struct's bare name, which generators take for unique
            _describe(component)

    def of(self, type_: Any) -> dict[str, Any]:
        """Return the schema of one of the types: a reference, mostly."""
        for known, schema in self._by_type:
            if known is type_ or known == type_:
                return copy.deepcopy(schema)
        raise LookupError(f"no schema was made for {type_}")

    def take(self, type_: Any) -> dict[str, Any]:
        """Return the whole schema of a struct and leave it out of the components."""
        name = self.of(type_)["$ref"].removeprefix(_REF)
        if name in self.components:
            self._taken[name] = self.components.pop(name)
        schema: dict[str, Any] = copy.deepcopy(self._taken[name])
        return schema


def _short(name: str) -> str:
    """Where two structs share a name, msgspec puts the module before it, with dots: here it is the folder's name."""
    *modules, own = name.split(".")
    folders = [_camel(module) for module in modules if module != "schemas"]
    # A folder that is called as its struct tells nothing; the one above it does.
    return next(folder for folder in reversed(folders) if folder != own) + own


def _camel(module: str) -> str:
    return module.strip("_").replace("_", " ").title().replace(" ", "")


def _renamed(parts: Any, names: dict[str, str]) -> Any:
    if not names:
        return parts
    if isinstance(parts, str):
        name = parts.removeprefix(_REF)
        return _REF + names[name] if name in names and name != parts else parts
    if isinstance(parts, list | tuple):
        return type(parts)(_renamed(part, names) for part in parts)
    if isinstance(parts, dict):
        return {names.get(key, key): _renamed(part, names) for key, part in parts.items()}
    return parts


def _published(schema: dict[str, Any]) -> dict[str, Any]:
    published: dict[str, Any] = _tidy(publish_patterns(schema))
    return published


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items()}
    for name, field in tidy.get("properties", {}).items():
        tidy["properties"][name] = _said(field)
    if tidy.get("type") == "object" and not tidy.keys() & {"properties", "additionalProperties"}:
        tidy["additionalProperties"] = True  # generators take an object that says nothing for one that holds nothing
    if "discriminator" in tidy and "anyOf" in tidy:
        tidy["oneOf"] = tidy.pop("anyOf")  # the tag makes them exclude each other
    return tidy


def _said(field: Any) -> Any:
    """Say a default in words: generators take a field that has one for always there, also in what is sent."""
    if not isinstance(field, dict) or "default" not in field:
        return field
    bare = {key: value for key, value in field.items() if key != "default"}
    if field["default"] in (None, [], {}):
        return bare
    words = f"{_DEFAULT} `{json.dumps(field['default'])}`."
    described = bare.get("description")
    return bare | {"description": f"{described} {words}" if described else words}


def _describe(component: dict[str, Any]) -> None:
    """Turn a docstring into a description, and its list of arguments into descriptions of properties."""
    text, *sections = _SECTION.split(inspect.cleandoc(component.get("description", "")), maxsplit=1)
    if text.strip():
        component["description"] = text.strip()
    else:
        component.pop("description", None)
    for line in _joined(sections[0]) if sections else ():
        entry = _ENTRY.match(line)
        schema = component.get("properties", {}).get(entry[1]) if entry else None
        if entry and schema is not None:
            words, said = _sentence(entry[2]), schema.get("description", "")
            schema["description"] = f"{words} {said}" if said.startswith(_DEFAULT) else said or words


def _sentence(words: str) -> str:
    """Begin as a sentence does: entries of docstrings begin small."""
    return words[:1].upper() + words[1:]


def _joined(section: str) -> list[str]:
    lines: list[str] = []
    margin = len(section) - len(section.lstrip(" "))
    for line in section.splitlines():
        if line[margin : margin + 1] == " " and lines:
            lines[-1] += " " + line.strip()
        elif line.strip():
            lines.append(line.strip())
    return lines
