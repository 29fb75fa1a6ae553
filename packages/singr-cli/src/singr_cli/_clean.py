"""What comes from the API is other people's text: nothing of it steers the terminal that it is shown on.

Control characters (C0, C1, DEL), those that turn the direction of writing (CVE-2021-42574), line and paragraph
separators, invisible marks and lone surrogates are shown as escapes in place of being sent.
"""

import json
import re
from typing import Any, Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e007f]"
)


def clean(value: Any) -> str:
    """Return a value as one line that is safe to show."""
    return _UNSAFE.sub(_escape, value if isinstance(value, str) else to_json(value))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON (RFC 8259) that is safe to show, and that a program reads as what the API sent."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # between tokens there are spaces and line feeds only; whatever else is unsafe stands in a string
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found[0]), text)


def _escape(found: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0], _json_escape(found[0]))


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]
