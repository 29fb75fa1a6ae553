"""Time zones by the rules of this release, so that all machines agree on them: those of the package tzdata."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped] # it has no types, and one constant is read

RULES: Final[str] = tzdata.IANA_VERSION
"""The release of the zones' rules, such as `2026f`; later ones compare as greater."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_LONGEST: Final = 64
_NOWHERE: Final = "Factory"  # what machines have before somebody says where they are; it names no place


@lru_cache(maxsize=1024)
def zone(name: object) -> ZoneInfo | None:
    """The zone of that IANA name, such as `Europe/Berlin`; None where there is none, whatever the text."""
    if not isinstance(name, str) or len(name) > _LONGEST or not _NAME.fullmatch(name) or name == _NOWHERE:
        return None
    file = files("tzdata").joinpath("zoneinfo", *name.split("/"))
    try:
        with file.open("rb") as rules:
            return ZoneInfo.from_file(rules, key=name)
    except (OSError, ValueError):  # a folder, or a list of the package that is no zone
        return None
