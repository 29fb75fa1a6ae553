"""Which passwords are taken: NIST SP 800-63B-4 section 3.1.1.2, and OWASP ASVS 5.0 section 6.2.

Length decides, fifteen characters where the password stands alone and eight where a second factor stands behind it, and
there are no rules of composition. What everybody tries first is refused. A password counts as such when the whole of it
is on the shipped list, or comes down to very little once its known pieces are seen for what they are: a list's word, a
run over the keyboard or the alphabet, a repetition or a year is worth no more than one unknown character, and what an
attacker knows anyway (the product's name, the person's own) is worth nothing.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final, Literal

from singr_auth._passwords._hashing import normalise_password
from singr_config import PortableError, Secret

PASSWORD_LENGTH_ALONE: Final = 15
PASSWORD_LENGTH_WITH_SECOND_FACTOR: Final = 8
PASSWORD_LENGTH_MOST: Final = 256

WeakPasswordProblem = Literal["too_short", "too_long", "common", "personal"]

_FEWEST_PIECES: Final = 4
_FEWEST_DIFFERENT: Final = 4
_SHORTEST_WORD: Final = 4
_SHORTEST_PERSONAL: Final = 3
_SHORTEST_RUN: Final = 3
_LONGEST_WORD: Final = 32
_PRODUCT: Final = ("singr", "karaoke", "singrkaraoke")
_FREE: Final = frozenset(" -_.")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}", re.ASCII)
_TWINS: Final = re.compile(r"(.)\1", re.DOTALL)
_SEPARATORS: Final = re.compile(r"[^\w]+|_")
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qawsedrftgyhujikolp",
)
_RUNS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))
_NEIGHBOURS: Final = frozenset(row[i : i + _SHORTEST_RUN] for row in _RUNS for i in range(len(row) - _SHORTEST_RUN + 1))
# look-alikes that people put for letters, taken back; 1, ! and | stand for i as well as for l
_LOOKALIKES: Final = tuple(str.maketrans("0134578@$!|+", f"o{one}eastbas{one}{one}t") for one in "il")


class WeakPasswordError(PortableError, ValueError):
    """The password is not taken; nothing of it is in the message.

    Attributes:
        code: `too_short`, `too_long`, `common` or `personal`.
        message: what would be taken instead.
    """

    def __init__(self, code: WeakPasswordProblem, message: str) -> None:
        super().__init__(message)
        self.code: WeakPasswordProblem = code
        self.message = message


class PasswordPolicy:
    """Says which new passwords are taken. Passwords that are in use already are not measured again."""

    def check(self, password: Secret, *, second_factor: bool = False, personal: Sequence[str] = ()) -> None:
        """Return if the password is taken.

        Args:
            password: as typed; spaces count, nothing is cut off.
            second_factor: whether a second factor is required at each sign-in of this account.
            personal: what others know of this person, such as e-mail address and name.

        Raises:
            WeakPasswordError: with the code and what would be taken instead.
        """
        if len(password.reveal()) > 4 * PASSWORD_LENGTH_MOST:  # composing shortens, but never that much
            raise _too_long()
        text = normalise_password(password)
        if len(text) > PASSWORD_LENGTH_MOST:
            raise _too_long()
        least = PASSWORD_LENGTH_WITH_SECOND_FACTOR if second_factor else PASSWORD_LENGTH_ALONE
        if len(text) < least:
            raise WeakPasswordError(
                "too_short", f"A password needs at least {least} characters; several words are easy to remember."
            )
        spellings = _spellings(text)
        if _is_common(spellings):
            raise WeakPasswordError(
                "common",
                "This password, or its pattern, is one of the first that attackers try. Use several unusual words.",
            )
        if _pieces(spellings, frozenset(_personal_words(personal))) < _FEWEST_PIECES:
            raise WeakPasswordError(
                "personal", "This password is made up of things that others know about you. Use several unusual words."
            )


def _too_long() -> WeakPasswordError:
    return WeakPasswordError("too_long", f"A password may have at most {PASSWORD_LENGTH_MOST} characters.")


def _spellings(text: str) -> tuple[str, ...]:
    """The password in small letters, and with look-alikes taken back; all of one length."""
    small = "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
    return tuple(dict.fromkeys((small, *(small.translate(table) for table in _LOOKALIKES))))


def _is_common(spellings: tuple[str, ...]) -> bool:
    if any(spelling in common_passwords() for spelling in spellings) or len(set(spellings[0])) < _FEWEST_DIFFERENT:
        return True
    period = _period(spellings[0])
    if period < PASSWORD_LENGTH_WITH_SECOND_FACTOR:
        return True
    once = tuple(spelling[:period] for spelling in spellings)  # said again, it is no harder to guess
    untwinned = _TWINS.sub(r"\1", once[0])
    if len(untwinned) * 2 == period:  # 1122334455 is 12345
        once = (untwinned,)
    return _pieces(once, frozenset()) < _FEWEST_PIECES


def _period(text: str) -> int:
    """Return the length of the piece that the whole repeats, the last time perhaps cut off; else the whole's own."""
    sizes = range(1, len(text) // 2 + 1)
    return next((size for size in sizes if text[size:] == text[:-size]), len(text))


def _pieces(spellings: tuple[str, ...], personal: frozenset[str]) -> int:
    """Return the least number of pieces that the whole password can be put together from."""
    length = len(spellings[0])
    least = [0, *[length] * length]
    for start in range(length):
        reached = least[start]
        for end, worth in _known(spellings, start, personal):
            least[end] = min(least[end], reached + worth)
        step = 0 if spellings[0][start] in _FREE else 1
        least[start + 1] = min(least[start + 1], reached + step)
    return least[length]


def _known(spellings: tuple[str, ...], start: int, personal: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The known pieces that begin at `start`: where each ends, and what it is worth."""
    small, listed = spellings[0], common_passwords()
    end = _end_of_run(small, start)
    if end - start >= _SHORTEST_RUN:
        yield end, 1
    if _YEAR.match(small, start):
        yield start + 4, 1
    longest = min(len(small) - start, _LONGEST_WORD)
    for spelling in spellings:
        for size in range(_SHORTEST_PERSONAL, longest + 1):
            piece = spelling[start : start + size]
            if piece in personal or piece in _PRODUCT:
                yield start + size, 0
            elif size >= _SHORTEST_WORD and piece in listed and piece.isalpha():
                yield start + size, 1


def _end_of_run(text: str, start: int) -> int:
    """Where the repetition of one character, or the walk along a row, that begins at `start` ends."""
    end = start + 1
    while end < len(text) and text[end] == text[start]:
        end += 1
    if end - start >= _SHORTEST_RUN:
        return end
    end = start
    while text[end : end + _SHORTEST_RUN] in _NEIGHBOURS:
        end += 1
    return end + _SHORTEST_RUN - 1 if end > start else start


def _personal_words(personal: Sequence[str]) -> Iterator[str]:
    for text in personal:
        small = normalise_password(Secret(text[: 4 * PASSWORD_LENGTH_MOST])).lower()
        words = [word for word in _SEPARATORS.split(small) if len(word) >= _SHORTEST_PERSONAL]
        yield from words
        yield from ("".join(words), small, small.partition("@")[0])


@functools.cache
def common_passwords() -> frozenset[str]:
    """The shipped list, in small letters; read at its first use."""
    lines = resources.files("singr_auth._passwords").joinpath("_common_passwords.txt").read_text("ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
