"""Words by which people who get texts say that they want no more of them, or want them again."""

import unicodedata
from typing import Final, Literal

# What 47 CFR 64.1200(a)(10) names as a clear wish, and what Twilio takes for one where advanced opt-out is off.
_STOP: Final = frozenset(
    {"stop", "stopall", "stop all", "quit", "end", "revoke", "optout", "opt out", "cancel", "unsubscribe"}
)
_START: Final = frozenset({"start", "unstop", "yes"})


def wish_of(said: str) -> Literal["stop", "start"] | None:
    """What a text wants that is such a word and nothing else, in whatever case, width or punctuation.

    More than the word (`Stop please`, `When does the show end?`) is free text, for people to read: what it wants
    depends on all of it.
    """
    words = _plain(said)
    return "stop" if words in _STOP else "start" if words in _START else None


def _plain(said: str) -> str:
    """Letters and digits in one case and width, and single spaces: phones add quotes, full stops and emoji."""
    folded = unicodedata.normalize("NFKC", said).casefold()
    return " ".join("".join(one for one in folded if one.isalnum() or one.isspace()).split())
