"""What a request says, however its service wants it written."""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, unquote_plus

from singr_comms.conformance._peer import Request

# What belongs to a try, or to its connection, and not to the message; a service that drops copies looks at none of it.
_OF_THE_TRY: Final = frozenset(
    {"authorization", "dpop", "signature", "signature-input", "x-amz-date", "x-amz-security-token"}
    | {"baggage", "traceparent", "tracestate"}
    | {"connection", "content-length", "date", "host", "user-agent"}
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]+)*")
_DEPTH: Final = 2  # a part of a mail that is itself handed over in base64
_BETWEEN_DIGITS: Final = re.compile(r"(?<=\d)[ ().-]+(?=\d)")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_NATIONAL: Final = 9  # digits of a national number, such as those that a service of one country takes


def says(request: Request, words: str) -> bool:
    """Whether a request holds these words anywhere: in path, header or body, as JSON, form or base64."""
    return any(words.casefold() in text for text in _texts(request))


def names(request: Request, recipient: str) -> bool:
    """Whether a request names this recipient; of a number its digits count, with or without those of its country."""
    if not _NUMBER.fullmatch(recipient):
        return says(request, recipient)
    number = re.compile(rf"(?:(?<!\d)0?{recipient[-_NATIONAL:]}|{recipient[1:]})(?!\d)")
    return any(number.search(_BETWEEN_DIGITS.sub("", text)) for text in _texts(request))


def forms(recipient: str) -> tuple[str, ...]:
    """The ways in which a recipient is written, the longest first."""
    return (recipient, recipient.removeprefix("+")) if recipient.startswith("+") else (recipient,)


def difference(first: Request, second: Request, per_try: Collection[str]) -> str | None:
    """Name what two requests for one message say in different ways; None where they say the same.

    Args:
        first: of one try.
        second: of another.
        per_try: headers and parameters of the query, in lower case, that differ by the service's own rule.
    """
    if first.method != second.method:
        return "its method"
    (one, query), (other, query_of_other) = (_address(request, per_try) for request in (first, second))
    if one != other:
        return "its path"
    if query != query_of_other:
        return "its query"
    mine, theirs = (_headers(request, per_try) for request in (first, second))
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            return f"its header {name}"
    return None if first.body == second.body else "its body"


def _address(request: Request, per_try: Collection[str]) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = request.path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return path, [pair for pair in pairs if pair[0].lower() not in per_try]


def _headers(request: Request, per_try: Collection[str]) -> dict[str, str]:
    left_out = _OF_THE_TRY.union(per_try)
    return {name: value for name, value in request.headers.items() if name not in left_out}


def _texts(request: Request) -> Iterator[str]:
    body = request.body.decode(errors="replace")
    for text in (body, request.path, *request.headers.values()):
        yield from (shown.casefold() for shown in _unpacked(text, _DEPTH))


def _unpacked(text: str, depth: int) -> Iterator[str]:
    """A text as it stands, and what it is once JSON, a form's or path's escapes, or base64 are undone."""
    yield text
    yield unquote(text)
    yield unquote_plus(text)
    plain = text
    try:
        plain = "\n".join(_strings(json.loads(text)))
        yield plain
    except (ValueError, RecursionError):
        pass
    for found in _BASE64.findall(unquote(plain)) if depth else ():
        yield from _unpacked(_undone(found), depth - 1)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield str(value)


def _undone(found: str) -> str:
    packed = re.sub(r"\s", "", found).translate(str.maketrans("-_", "+/"))
    try:
        return b64decode(packed[: len(packed) - (len(packed) % 4 == 1)] + "==").decode(errors="replace")
    except binascii.Error:
        return ""
