"""Text of people, made inert: what it shows is what it is, wherever it is shown.

One rule for every channel, applied when a message is rendered: nothing that turns the direction of what follows,
nothing that cannot be seen, no line that nobody typed.
"""

import unicodedata
from functools import cache
from typing import Final, Literal, get_args, get_origin

import msgspec

from singr_comms.models._fields import Amount, Code, LocalDateTime, LocalDay
from singr_comms.models._message import Message
from singr_comms.rendering._languages import isolated
from singr_config.text import has_visible, unlinked

_JOINERS: Final = "\u200c\u200d"  # Persian and Indic words need the one, families and professions of emoji the other
# Letters, marks and symbols that are drawn as nothing: fillers of Hangul, the blank Braille pattern, the grapheme
# joiner, Khmer's inherent vowels, Mongolian selectors, the object replacement character, the null notehead, and the
# blanks of hieroglyphs.
_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\U0001d159\U00013441\U00013442"
)
_ASCII_END: Final = "\x7f"
_PATTERNED: Final = (Amount, Code, LocalDay, LocalDateTime)
WIDE_EQUALS: Final = "\uff1d"
"""What looks like an equals sign, and begins no encoded word."""
NAMELESS: Final = "(unnamed)"
"""What stands where nothing that can be seen was given."""


def inert(text: str, *, lines: bool = False) -> str:
    """Take out of a text what would be drawn as nothing or would change how the rest is drawn.

    Args:
        text: what somebody typed.
        lines: keep line feeds; otherwise they become spaces.

    >>> inert("Ada\u202egpj.exe"), inert("a\u200bb"), inert("\u3164")
    ('Adagpj.exe', 'ab', '(unnamed)')
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    kept: list[str] = []
    for position, character in enumerate(text):
        if character == "\n" and lines:
            kept.append(character)
        elif character.isspace():  # wide and narrow spaces stay what they are, tabs and line ends become plain ones
            kept.append(character if unicodedata.category(character) == "Zs" else " ")
        elif _is_drawn(character) or _is_joined(text, position, kept):
            kept.append(character)
    shown = "".join(kept)
    return shown if has_visible(shown) else NAMELESS


def unencoded(text: str) -> str:
    """A line for a header that somebody else writes, with nothing that a reader would decode (RFC 2047).

    An encoded word would bring back what `inert` took out. Its equals sign becomes the wide one, which looks alike.

    >>> unencoded("=?utf-8?q?=E2=80=AEmoc?="), unencoded("1 + 1 = ?")
    ('\uff1d?utf-8?q?=E2=80=AEmoc?=', '1 + 1 = ?')
    """
    return text.replace("=?", f"{WIDE_EQUALS}?")


def inert_variables(message: Message, *, base_direction: str = "ltr") -> dict[str, object]:
    """A message's variables, every text in them inert; `text` may have lines.

    What an organization names somebody or something forms no link either: its message comes from the platform's own
    address, and leads to known sites alone. `text` is the whole of a message, and claims to be nothing else.

    What is written the other way than the language of the message (`base_direction`) is set apart, so that it turns
    nothing but itself: an Arabic name in an English line, an English one in an Arabic line.
    """
    return _inert_fields(message, foreign=message.speaks_for == "organization", base_direction=base_direction)


def _inert_fields(struct: msgspec.Struct, *, foreign: bool, base_direction: str) -> dict[str, object]:
    kept = _patterned(type(struct))
    shown: dict[str, object] = {}
    for name, value in msgspec.structs.asdict(struct).items():
        if is_link(name) or name in kept:
            shown[name] = value
        elif name == "text" and isinstance(value, str) and isinstance(struct, Message):
            shown[name] = inert(value, lines=True)
        else:
            shown[name] = _inert_value(value, foreign=foreign, base_direction=base_direction)
    return shown


def _inert_value(value: object, *, foreign: bool, base_direction: str) -> object:
    if isinstance(value, str):
        return isolated(unlinked(inert(value)) if foreign else inert(value), base_direction)
    if isinstance(value, msgspec.Struct):
        return _inert_fields(value, foreign=foreign, base_direction=base_direction)
    if isinstance(value, tuple | list):
        return [_inert_value(one, foreign=foreign, base_direction=base_direction) for one in value]
    return value


@cache
def _patterned(struct: type[msgspec.Struct]) -> frozenset[str]:
    """Variables with no room for anybody's words: amounts, days and times, codes, and what chooses words."""
    fields = msgspec.structs.fields(struct)
    return frozenset(
        field.name
        for field in fields
        if any(kind in _PATTERNED or get_origin(kind) is Literal for kind in (field.type, *get_args(field.type)))
    )


def is_link(name: str) -> bool:
    """Whether a variable of this name holds an address, which its model bounds."""
    return name == "link" or name.endswith("_link")


def _is_drawn(character: str) -> bool:
    kind = unicodedata.category(character)
    if character in _BLANK or _is_selector(character) or _is_ignorable(character):
        return False
    return kind not in {"Cc", "Cf", "Cs"}


def _is_ignorable(character: str) -> bool:
    """Ranges that Unicode keeps for what is drawn as nothing, whether or not this Python's tables know its members."""
    code = ord(character)
    return code == 0x2065 or 0xFFF0 <= code <= 0xFFF8 or 0xE0000 <= code <= 0xE0FFF  # noqa: PLR2004 - code points


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _is_joined(text: str, position: int, kept: list[str]) -> bool:
    """Whether a joiner or a selector has something to work on: beyond ASCII, and one only."""
    character = text[position]
    if not kept or not (_works_on(kept[-1]) or (_is_selector(character) and kept[-1] in "#*0123456789")):
        return False
    if _is_selector(character):
        return True
    return character in _JOINERS and position + 1 < len(text) and _works_on(text[position + 1])


def _works_on(character: str) -> bool:
    return character > _ASCII_END and (_is_selector(character) or (_is_drawn(character) and not character.isspace()))
