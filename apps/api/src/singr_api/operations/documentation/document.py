"""The document of this version of the API."""

import re
from importlib.metadata import version
from typing import Any, Final

import msgspec
import yaml

from singr_api.routing.openapi import build_document
from singr_api.wiring.routes import operations, policy_table
from singr_config import BrandSettings


def openapi_document(*, server: str = "http://localhost:3000", brand: BrandSettings | None = None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; `server` is the address it names, `brand` the product's name and its support."""
    brand = brand or BrandSettings()
    return build_document(
        operations(),
        policy_table(),
        version=version("singr-api"),
        server=server,
        name=brand.name,
        contact=brand.support,
    )


def as_json(document: dict[str, Any]) -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(document)


def as_yaml(document: dict[str, Any]) -> bytes:
    """Return the document as YAML, in a stable form fit for comparing versions."""
    plain = msgspec.to_builtins(document)
    text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


class _Dumper(yaml.SafeDumper):
    """Writes each part out in full, and long texts as blocks; a reference, and a list of one text, takes one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 — the base class's signature
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Any = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style=list(mapping) == ["$ref"] or flow_style)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: Any = None) -> yaml.SequenceNode:
        short = len(sequence) == 1 and isinstance(sequence[0], str)
        return super().represent_sequence(tag, sequence, flow_style=short or flow_style)


# What readers of YAML 1.1 or 1.2 take for a number, a time, a truth or nothing: as 042917, 1e3, 12:30, off.
_OTHERWISE: Final = re.compile(
    r"[-+.0-9~=<].*|~|null|true|false|y|n|yes|no|on|off|", re.ASCII | re.IGNORECASE | re.DOTALL
)
_BREAKS: Final = re.compile("[\x85\u2028\u2029\ufeff]")  # ends of lines to YAML 1.1, characters to 1.2


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if _OTHERWISE.fullmatch(text) else "|" if "\n" in text else None
    if _BREAKS.search(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
