"""Texts of organizations for types of messages, checked and filled in: `{name}` is a variable, and all else is text."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from singr_comms.models._fields import Amount, LocalDateTime, LocalDay, Moment
from singr_comms.models._message import Message
from singr_comms.rendering._brand import Words
from singr_comms.rendering._formats import written_amount, written_day, written_instant, written_moment
from singr_comms.rendering._inert import is_link
from singr_comms.rendering._paragraphs import split_paragraphs
from singr_config.text import has_visible

_VARIABLE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_WRITTEN: Final = (
    (Amount, written_amount),
    (LocalDay, written_day),
    (LocalDateTime, written_moment),
    (Moment, written_instant),
)
# What a provider's own templates, or readers of headers, would take for more than text.
_ELSEWHERE: Final = ("[[", "=?")
# A host with a top-level domain in any script, one after an ideographic full stop (which IDNA reads as a dot; scripts
# that end sentences with it have no space behind), what begins as an address does, or an IPv4 address.
_SITE: Final = re.compile(
    r"[^\s.]\.[^\W\d_]{2}|[^\s.]\u3002(?![\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3])[^\W\d_]{2}"
    r"|://|www\.\S|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)",
    re.IGNORECASE,
)
# A variable could be the rest of a host, or a text the rest of a link's: a full stop may end a sentence behind one.
_BESIDE: Final = re.compile(
    r"[./\\@]\d*\{[a-z]|[A-Za-z0-9]\u3002\{[a-z]|[a-z0-9_]\}(?:[/\\@{]|\d*\.[\w{]|\u3002[A-Za-z0-9])"
)
_UNBOUNDED: Final = 64
# With variables: a mail may hold the longest text there is and as much around it; providers take no SMS beyond.
_LONGEST: Final = {"email": 20_000, "sms": 1_600, "push": 1_600}
LONGEST_SUBJECT: Final = 1_000
"""So many characters may a subject or a title have with its variables, of which its reader sees the first 200."""
# Two characters that are whole sentences, of 18 and 8: a text of them is checked by the letters at their ends alone.
_SENTENCES: Final = {0xFDFA: "\u0635\u0645", 0xFDFB: "\u062c\u0647"}
_DRAWN_BY_ITSELF: Final = frozenset("LNPSZ")


def variables_in(model: type[Message]) -> tuple[str, ...]:
    """The variables of a model that a text may name: those that are one text or number."""
    hints = _hints(model)
    return tuple(name for name in model.__struct_fields__ if _is_plain(hints[name]))


def wrong_in(text: str, model: type[Message]) -> Iterator[str]:
    """All that is wrong with a text for messages of a model, as it follows the field's name."""
    known = variables_in(model)
    there = ", ".join(f"{{{one}}}" for one in known)
    for name in dict.fromkeys(_VARIABLE.findall(text)):
        if name not in known:
            yield f"names {{{name}}}, which is not a variable of this type: use {there}"
    bare = _VARIABLE.sub("", text)
    if "{" in bare or "}" in bare:
        yield "must have braces only around the names of variables, such as {link}: it is not a template"
    if any(one in text for one in _ELSEWHERE):
        yield "must not contain [[ or =?, which some mail programs interpret"
    if leading := _leads_elsewhere(text):
        yield leading
    needed = {field.name for field in msgspec.structs.fields(model) if field.required}
    # One that is unknown is told above.
    if not has_visible(_VARIABLE.sub(lambda match: "x" if match[1] in needed or match[1] not in known else "", text)):
        yield "must not be empty when no optional variable is given"


def _leads_elsewhere(text: str) -> str | None:
    lines = text.splitlines()
    if any(names_site(_VARIABLE.sub("\N{WHITE SQUARE}", line)) for line in lines):
        return "must not contain a web address: messages link through their variables, such as {link}"
    if any(_BESIDE.search(_plain(line)) for line in lines) or any(map(_goes_on, _VARIABLE.finditer(text))):
        return (
            "must have a space between a variable and another one, a full stop, slash or @ beside it, and behind one"
            " with an address: together they could name another site"
        )
    return None


def left_out_of_words(model: type[Message]) -> tuple[str, ...]:
    """What every message of a model holds and no text can tell, such as a list; what only chooses words is not."""
    hints, plain = _hints(model), variables_in(model)
    return tuple(
        field.name
        for field in msgspec.structs.fields(model)
        if field.required and field.name not in plain and get_origin(hints[field.name]) is not Literal
    )


def longest_text(channel: str) -> int:
    """How many characters own words may have on a channel, with variables."""
    return _LONGEST.get(channel, _LONGEST["email"])


def too_long(text: str, model: type[Message], most: int) -> str | None:
    """What is wrong with a text that may have more than `most` characters once its variables are filled in."""
    named = _VARIABLE.findall(text)
    lengths = {name: _longest(model, name) for name in named}
    longest = len(_VARIABLE.sub("", text)) + sum(lengths[name] for name in named)
    if longest <= most:
        return None
    weight = {name: named.count(name) * lengths[name] for name in lengths}
    heaviest = max(weight, key=weight.__getitem__)
    return (
        f"must be at most {most:,} characters with the longest variables, and may come out at {longest:,}: name fewer,"
        f" such as {{{heaviest}}}, which has up to {lengths[heaviest]:,} each time"
    )


def _longest(model: type[Message], name: str) -> int:
    bounds = [
        meta.max_length
        for part in _parts(_hints(model)[name])
        for meta in getattr(part, "__metadata__", ())
        if isinstance(meta, msgspec.Meta) and meta.max_length
    ]
    return max(bounds, default=_UNBOUNDED)


def _goes_on(match: re.Match[str]) -> bool:
    """Whether what stands behind a variable with an address would be taken for more of it."""
    if not is_link(match[1]):
        return False
    [behind] = re.findall(r"^\S*", match.string[match.end() :])
    return any(one.isalnum() or one in "{/@" for one in _plain(behind))


def written_variables(model: type[Message], shown: Mapping[str, Any], lang: str) -> dict[str, str]:
    """The variables of a message that a text may name, written as its language writes them; empty where not given."""
    hints = _hints(model)
    written = {}
    for name in variables_in(model):
        given = shown.get(name)
        write = next((write for kind, write in _WRITTEN if kind in _parts(hints[name])), None)
        value = "" if given is None else str(given)
        written[name] = write(value, lang) if write is not None and given is not None else value
    return written


def fit(words: Words, channel: str, written: Mapping[str, str]) -> bool:
    """Whether words are of a bearable length with these variables: counted, since writing them may take minutes."""
    return _length(words.text, written) <= longest_text(channel) and (
        words.subject is None or _length(words.subject, written) <= LONGEST_SUBJECT
    )


def _length(text: str, written: Mapping[str, str]) -> int:
    return len(_VARIABLE.sub("", text)) + sum(len(written.get(name, "")) for name in _VARIABLE.findall(text))


def filled_in(text: str, written: Mapping[str, str]) -> str:
    """A text with the variables of a message in their places; of what `fit` says is not too long."""
    # Two that touch could be one host together; new words are refused so.
    return _VARIABLE.sub(lambda match: written.get(match[1], ""), text.replace("}{", "} {"))


def paragraphs_of(
    words: Words, written: Mapping[str, str], links: Mapping[str, str]
) -> list[list[tuple[str, str | None]]]:
    """A text as a page has it: paragraphs of pieces, each with where it leads, if anywhere."""
    found = []
    for paragraph in split_paragraphs(words.text):
        pieces: list[tuple[str, str | None]] = []
        at = 0
        for match in _VARIABLE.finditer(paragraph):
            if match[1] in links:
                pieces.append((filled_in(paragraph[at : match.start()], written), None))
                pieces.append((links[match[1]], links[match[1]]))
                at = match.end()
        pieces.append((filled_in(paragraph[at:], written), None))
        found.append([piece for piece in pieces if piece[0]])
    return [pieces for pieces in found if pieces]


@cache
def _hints(model: type[Message]) -> dict[str, Any]:
    return get_type_hints(model, include_extras=True)


def names_site(line: str) -> bool:
    """Whether a program could take something in a line for a link."""
    return _SITE.search(_plain(line)) is not None


def _plain(text: str) -> str:
    """A text as a host is read (UTS #46): what looks alike is alike, what is drawn as nothing is not there."""
    given = unicodedata.normalize("NFKC", text.translate(_SENTENCES))
    return "".join(one for one in given if unicodedata.category(one)[0] in _DRAWN_BY_ITSELF)


def _is_plain(hint: Any) -> bool:
    return all(part in {str, int, type(None)} for part in map(_origin, _parts(hint)))


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _origin(hint: Any) -> Any:
    return getattr(hint, "__origin__", hint)
