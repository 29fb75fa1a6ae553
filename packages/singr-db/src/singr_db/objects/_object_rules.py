"""What holds for an object store whatever keeps the bytes: which keys there are, and for how long a link may last."""

import re
from typing import Final

KEY_BYTES: Final = 1024
LONGEST_LINK_S: Final = 7 * 24 * 3600
# A store of one kind or another takes such a key for a path, changes it, or refuses it.
_UNSAFE: Final = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\x00-\x1f\x7f]")


def check_key(key: str) -> None:
    """Refuse a key that not every store can keep.

    Raises:
        ValueError: it is empty, too long, or no path of names.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("an object's key must be text that UTF-8 can hold") from None
    if not 1 <= size <= KEY_BYTES:
        raise ValueError(f"an object's key must be 1 to {KEY_BYTES} bytes")
    if _UNSAFE.search(key):
        raise ValueError(
            "an object's key must be names with / between them, such as exports/2026.csv: none empty, . or .., "
            "and no control characters"
        )


def check_link(expires_in: int) -> None:
    """Refuse a link that would last too long or not at all.

    Raises:
        ValueError: it is out of range.
    """
    if not 1 <= expires_in <= LONGEST_LINK_S:
        raise ValueError(f"expires_in must be 1 to {LONGEST_LINK_S} seconds")
