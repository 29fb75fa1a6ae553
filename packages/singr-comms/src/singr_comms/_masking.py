"""Masks for what must not lie in logs and delivery logs in the clear."""

import re
from typing import Final

# Also as URLs, HTML and JSON write it, and in other widths; before it a quoted name, or whatever is no delimiter.
_EMAIL: Final = re.compile(
    r"""("(?:\\.|[^"\\])*"|[^\s<>()\[\],;:"@\uff20\ufe6b]+"?|")"""
    r"(?:[@\uff20\ufe6b]|%(?:25)*40|&#(?:64|x40);|&commat;|\\u0040)(\[[^\]\s]*\]?|[\w.-]*)",
    re.IGNORECASE,
)
_LONG_NUMBER: Final = re.compile(r"[+\uff0b]?\d(?:[ ().-]{0,2}\d){3,}")  # in the digits of any script
_QUOTE: Final = '"'
_LONGEST: Final = 300
# What a mail server says in figures (RFC 3463), such as 5.7.705: no number of anybody's.
_STATUS: Final = re.compile(r"((?<![\w.])[245]\.[0-7]\.[0-9]{1,3}(?!\.?[0-9]))")
_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_WORDS: Final = 1000
_LONGEST_CODE: Final = 64
_LONGEST_ID: Final = 400  # of four bytes each at most: an index takes 2,700


def mask_email(address: str) -> str:
    """`jane@example.org` becomes `j***@example.org`; what is no address becomes `***`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def mask_phone(number: str) -> str:
    """`+15555550100` becomes `+1******0100`: two characters in front, four behind."""
    return number[:2] + "*" * max(len(number) - 6, 0) + number[-4:] if len(number) > 6 else "*" * len(number)  # noqa: PLR2004 - the same six as in the line itself


def scrub(text: str) -> str:
    """Make a provider's words fit to be kept: one line, bounded, without addresses, phone numbers or codes."""
    # Twice as long as what is kept, so that no address ends in front of its "@"; and no longer, whatever comes.
    line = " ".join(text[: 8 * _LONGEST].split())[: 2 * _LONGEST]
    line = "".join(character if character.isprintable() else "?" for character in line)
    line = _EMAIL.sub(lambda found: f"{found[1].lstrip(_QUOTE)[:1]}***@{found[2]}", line)
    pieces = _STATUS.split(line)  # every second one is a status
    pieces[::2] = [_LONG_NUMBER.sub("[number]", piece) for piece in pieces[::2]]
    return "".join(pieces)[:_LONGEST]


def storable_words(text: str) -> str:
    """Anybody's words as every store takes them: printable characters on one line, at most 1,000."""
    line = " ".join(text[: 4 * _LONGEST_WORDS].split())[:_LONGEST_WORDS]
    return "".join(character if character.isprintable() else "?" for character in line)


def storable_code(text: str) -> str:
    """A code as a token: letters, digits, dots, hyphens and underscores, 1 to 64."""
    return _NO_TOKEN.sub("_", text[:_LONGEST_CODE]) or "unknown"


def storable_id(text: str) -> str | None:
    """An id as every store and its index take it: printable characters, at most 400; None where nothing is left."""
    kept = text[:_LONGEST_ID]
    return (kept if kept.isprintable() else "".join(filter(str.isprintable, kept))) or None
