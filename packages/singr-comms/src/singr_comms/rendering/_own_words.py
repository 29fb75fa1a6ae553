"""Texts of organizations for types of messages, checked and filled in: `{name}` is a variable, and all else is text."""

import re
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from singr_comms.models._fields import Amount, LocalDateTime, LocalDay
from singr_comms.models._message import Message
from singr_comms.rendering._brand import Words
from singr_comms.rendering._formats import written_amount, written_day, written_moment
from singr_config.text import unlinked

_VARIABLE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_WRITTEN: Final = ((Amount, written_amount), (LocalDay, written_day), (LocalDateTime, written_moment))
# What a provider's own templates, or readers of headers, would take for more than text.
_ELSEWHERE: Final = ("[[", "=?")


def variables_in(model: type[Message]) -> tuple[str, ...]:
    """The variables of a model that a text may name: those that are one text or number."""
    hints = _hints(model)
    return tuple(name for name in model.__struct_fields__ if _is_plain(hints[name]))


def wrong_in(text: str, model: type[Message]) -> str | None:
    """What is wrong with a text for messages of a model, as it follows the field's name; None: nothing."""
    known = variables_in(model)
    for name in _VARIABLE.findall(text):
        if name not in known:
            there = ", ".join(f"{{{one}}}" for one in known)
            return f"names {{{name}}}, which is no variable of this type: use {there}"
    bare = _VARIABLE.sub("", text)
    if "{" in bare or "}" in bare:
        return "must have braces around the names of variables alone, such as {link}: it is no template"
    if any(one in text for one in _ELSEWHERE):
        return "must not hold [[ or =?, which some mail programs take for more than text"
    if any(names_site(line) for line in bare.splitlines()):
        return "must not name a site: where messages lead is in their variables, such as {link}"
    return None


def filled_in(text: str, model: type[Message], shown: Mapping[str, Any], lang: str) -> str:
    """A text with the variables of a message in their places, written as its language writes them."""
    hints = _hints(model)

    def value(match: re.Match[str]) -> str:
        given = shown.get(match[1])
        if given is None:
            return ""
        write = next((write for kind, write in _WRITTEN if kind in _parts(hints[match[1]])), None)
        return str(given) if write is None else write(str(given), lang)

    return _VARIABLE.sub(value, text)


def paragraphs_of(
    words: Words, model: type[Message], shown: Mapping[str, Any], lang: str, links: Mapping[str, str]
) -> list[list[tuple[str, str | None]]]:
    """A text as a page has it: paragraphs of pieces, each with where it leads, if anywhere."""
    found = []
    for paragraph in re.split(r"\n\s*\n", words.text.strip()):
        pieces: list[tuple[str, str | None]] = []
        at = 0
        for match in _VARIABLE.finditer(paragraph):
            if match[1] in links:
                pieces.append((filled_in(paragraph[at : match.start()], model, shown, lang), None))
                pieces.append((links[match[1]], links[match[1]]))
                at = match.end()
        pieces.append((filled_in(paragraph[at:], model, shown, lang), None))
        found.append([piece for piece in pieces if piece[0]])
    return [pieces for pieces in found if pieces]


@cache
def _hints(model: type[Message]) -> dict[str, Any]:
    return get_type_hints(model, include_extras=True)


def names_site(line: str) -> bool:
    """Whether a program could take something in a line for a link."""
    return re.search(r"[A-Za-z0-9]\.[A-Za-z]{2,}|://|www\.", line) is not None and unlinked(line) != line


def _is_plain(hint: Any) -> bool:
    return all(part in {str, int, type(None)} for part in map(_origin, _parts(hint)))


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _origin(hint: Any) -> Any:
    return getattr(hint, "__origin__", hint)
