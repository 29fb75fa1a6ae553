r"""Patterns as they are published: in what RE2, ECMAScript and Python all read, without looking around.

What checks at run time looks around to be strict where `$` lets a final line feed through in Python. Generators and
readers of the document in Go, Rust or C++ have no such thing. So what is published is the same form without it: it may
admit a little more, never less, and what it admits beyond is refused with the field's name.
"""

import re
from typing import Any, Final

_END: Final = r"(?![\s\S])"
# "has a visible character, and is made of": as one or more of the class, with one of them that is no space
_VISIBLE: Final = re.compile(r"\^\(\?=(?:\\s\*|\[\\s\\S\]\*)\\S\)\[\^([^\]]+)\]\+")
_GROUP: Final = re.compile(r"\(\?(?:=|!|<=|<!)")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})(?:-\\u([0-9a-fA-F]{4}))?")
# What \s means in Python and ECMAScript, spelt out: to RE2 it is ASCII alone. The line separators are in each class.
_SPACES: Final = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
_SURROGATES: Final = range(0xD800, 0xE000)


def published(pattern: str) -> str:
    """Return what stands in the document for a pattern that a type is checked by."""
    if pattern.endswith(_END):
        pattern = pattern.removesuffix(_END) + "$"
    pattern = _VISIBLE.sub(r"^[^\1]*[^" + _SPACES.replace("\\", r"\\") + r"\1][^\1]*", pattern)
    return _ESCAPE.sub(_character, _without_groups(pattern))


def publish_patterns(part: Any) -> Any:
    """Return a part of a JSON Schema with each pattern as it is published."""
    if isinstance(part, list):
        return [publish_patterns(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: published(value) if key == "pattern" and isinstance(value, str) else publish_patterns(value)
        for key, value in part.items()
    }


def _without_groups(pattern: str) -> str:
    """Take away each group that looks around."""
    while (found := _GROUP.search(pattern)) is not None:
        depth, in_class, at = 0, False, found.start()
        while True:
            letter = pattern[at]
            if letter == "\\":
                at += 1
            elif in_class or letter == "[":
                in_class = letter != "]"
            elif letter in "()":
                depth += 1 if letter == "(" else -1
            at += 1
            if depth == 0:
                break
        pattern = pattern[: found.start()] + pattern[at:]
    return pattern


def _character(escape: re.Match[str]) -> str:
    r"""RE2 knows no \u: the character itself stands for it. Half a pair is none, and JSON in UTF-8 holds none."""
    first, last = int(escape[1], 16), int(escape[2] or escape[1], 16)
    if first in _SURROGATES:
        return ""
    return chr(first) if first == last else f"{chr(first)}-{chr(last)}"
