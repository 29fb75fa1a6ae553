"""The jobs that write an export and remove it, as they are queued: they name its row, and hold nothing of anybody."""

from typing import Final
from uuid import UUID

import msgspec

HOURS: Final = 72
"""How long an export can be fetched once it is written."""


class WriteExport(msgspec.Struct, frozen=True, tag="person.export"):
    """Write everything that is kept about a person into the object store, and mail them the link."""

    export_id: UUID


class RemoveExport(msgspec.Struct, frozen=True, tag="person.export_remove"):
    """Remove an export whose time is over, or that was withdrawn."""

    export_id: UUID


class RemoveLeftovers(msgspec.Struct, frozen=True, tag="objects.remove_leftovers"):
    """Remove what lies in the object store and is nobody's any more."""


def key_of_export(export_id: UUID) -> str:
    """Where the export lies in the object store."""
    return f"exports/{export_id}.json"
