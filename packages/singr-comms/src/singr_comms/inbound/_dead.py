"""What recipients' servers say where a mailbox does not exist, or is switched off.

Every other refusal (policy, words, reputation, or one without a reason) is about what was sent and by whom: it tells
nothing of what somebody else sends to the address.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

# RFC 3463 and RFC 7505, the class of the status first; x.1.7 and x.1.8 are about the sender.
_STATUS: Final = re.compile(r"(?<![0-9.])5\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_DEAD: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_WORDS: Final = re.compile(
    r"\b(?:user unknown|unknown user|no such (?:user|mailbox|recipient)|recipient not found"
    r"|(?:mailbox|user|address|account|recipient) does(?: not|n't) exist"
    r"|(?:mailbox|account) (?:is )?(?:inactive|disabled))\b",
    re.IGNORECASE,
)
_ELSE: Final = re.compile(r"spam|policy|reputation|block|content|sender|denied", re.IGNORECASE)


def says_dead(*said: Any) -> bool:
    """Whether a refusal says that the mailbox is gone: by its status, or where there is none, by plain words.

    Args:
        said: the server's answers; lists are looked into, and what is no text is nothing.
    """
    words = "\n".join(_texts(said))
    statuses = _STATUS.findall(words)
    if statuses:
        return _DEAD.issuperset(statuses)
    return _WORDS.search(words) is not None and _ELSE.search(words) is None


def _texts(said: Iterable[Any]) -> Iterable[str]:
    for one in said:
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            yield from (each for each in one if isinstance(each, str))
