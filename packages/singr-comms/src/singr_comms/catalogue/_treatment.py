"""How a type is treated on its way to people: what they can switch off, when it may come, how long it is of use."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

Quiet: TypeAlias = Literal["hold", "drop", "digest", "pass"]
"""What becomes of a message in its reader's quiet hours."""
DAY: Final = 86_400
"""Seconds for which a message is of use, unless its type says otherwise."""
_LONGEST: Final = 365 * DAY
_CATEGORY: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


def fault_in_treatment(
    *, category: object, time_to_live: object, quiet: object, channels: Sequence[str], ways: Mapping[str, Any]
) -> str:
    """What is wrong with a declared treatment, and what would be right; empty where nothing is."""
    if not (isinstance(category, str) and _CATEGORY.fullmatch(category)):
        return "category must be a name in small letters, digits and underscores, at most 32, such as orders"
    if isinstance(time_to_live, bool) or not isinstance(time_to_live, int) or not 1 <= time_to_live <= _LONGEST:
        return f"time_to_live must be whole seconds, from 1 to {_LONGEST} (a year)"
    if quiet not in get_args(Quiet):
        *rest, last = get_args(Quiet)
        return f"quiet must be {', '.join(rest)} or {last}"
    if not channels or len(set(channels)) != len(channels):
        return "default_channels must name at least one channel, and each once"
    strange = sorted(set(channels) - set(ways))
    if strange:
        return (
            f"default_channels names {', '.join(strange)}, for which it has no model: add one, or name "
            f"{', '.join(sorted(ways))}"
        )
    return ""
