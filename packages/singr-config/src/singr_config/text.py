"""What can be seen of a text: the one rule for names that people choose, wherever one is taken."""

import unicodedata
from typing import Final

VISIBLE_RULE: Final = "must hold at least one visible character"
"""What to say of a name that holds none."""

# Letters and symbols by their category, which are drawn as nothing at all: fillers of Hangul, the blank Braille
# pattern, the object replacement character, the null notehead, and the blanks of Egyptian hieroglyphs.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159\U00013441\U00013442")
_DRAWN: Final = frozenset("LNPS")


def is_visible(character: str) -> bool:
    """Tell whether a character can be seen by itself.

    Spaces, controls, format characters (zero-width ones, direction marks, tags), variation selectors, surrogates and
    what Unicode has not assigned cannot; nor can a combining mark, which needs a letter to sit on.
    """
    return unicodedata.category(character)[0] in _DRAWN and character not in _BLANK


def has_visible(text: str) -> bool:
    """Tell whether anything of a text can be seen.

    >>> has_visible("Ada"), has_visible("\u200b\u3164")
    (True, False)
    """
    return any(map(is_visible, text))
