"""Codes that people type: numeric ones that arrive by message, and backup codes that lie in a drawer.

Codes are short, so what guards them is a small number of tries, counted before each comparison, by whoever keeps them.
"""

import re
import secrets
from typing import Final

from singr_config import PortableError, Secret
from singr_config.constants import SECOND_FACTOR

BACKUP_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Thirty letters and digits without look-alikes (0 O, 1 I L, U V): eight of them are 39 bits."""

_SPACES: Final = re.compile(r"[ \t-]+")
_BACKUP: Final = re.compile(rf"[{BACKUP_ALPHABET}]{{{SECOND_FACTOR.backup_code_length}}}", re.ASCII)
_MOST_DIGITS: Final = 12


class CodeError(PortableError, ValueError):
    """What was typed cannot be such a code: wrong length, or other characters. Never carries the text itself."""


def new_code(digits: int = SECOND_FACTOR.code_digits) -> Secret:
    """Draw a numeric code, uniform from all zeros to all nines, both included.

    Args:
        digits: its length, 6 to 12.
    """
    if not SECOND_FACTOR.code_digits <= digits <= _MOST_DIGITS:
        raise ValueError(f"A code must have {SECOND_FACTOR.code_digits} to {_MOST_DIGITS} digits.")
    return Secret(f"{secrets.randbelow(10**digits):0{digits}}")


def check_code_form(text: str, digits: int = SECOND_FACTOR.code_digits) -> str:
    """Return the bare code: ASCII digits only, spaces and hyphens that people put between them taken out.

    Digits of other scripts are refused, since two spellings of one code would be two codes to whoever remembers it.

    Raises:
        CodeError: it is not `digits` digits.
    """
    bare = _bare(text)
    if len(bare) != digits or not (bare.isascii() and bare.isdigit()):
        raise CodeError(f"A code is {digits} digits, 0 to 9.")
    return bare


def new_backup_codes() -> tuple[Secret, ...]:
    """Draw ten different codes of eight characters. Show them once; store their fingerprints."""
    codes: dict[str, None] = {}
    while len(codes) < SECOND_FACTOR.backup_codes:
        codes["".join(secrets.choice(BACKUP_ALPHABET) for _ in range(SECOND_FACTOR.backup_code_length))] = None
    return tuple(Secret(code) for code in codes)


def normalise_backup_code(text: str) -> str:
    """Return a backup code as it was shown: capitals, without the spaces and hyphens that people put in.

    Raises:
        CodeError: it is not eight of the alphabet's characters.
    """
    bare = _bare(text)
    capitals = bare.upper() if bare.isascii() else bare
    if not _BACKUP.fullmatch(capitals):
        raise CodeError(f"A backup code is {SECOND_FACTOR.backup_code_length} letters and digits.")
    return capitals


def _bare(text: str) -> str:
    # a longer text is no code, however its spaces are counted: do not even look at it
    return _SPACES.sub("", text) if len(text) <= 4 * _MOST_DIGITS else text
