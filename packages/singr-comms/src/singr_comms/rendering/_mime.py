"""E-mails as bytes (RFC 5322, 2045 to 2047), written here and judged before they leave.

The library's header classes *parse* what they are given: encoded words in it are decoded, and what they hold is laid
out as if it had been header text all along (CVE-2024-6923 and kin). So no text of a user ever meets one. A header is
written from its characters alone; what is not plain ASCII, or could be read as an encoded word, becomes encoded words
as a whole, spaces included, so that a reader sees exactly the characters that were given.

Needs nothing but the standard library, and nothing of it that parses.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

_WRITABLE: Final = bytes((*b"\r\n", *range(0x20, 0x7F)))  # printable ASCII, and ends of lines
_CRLF: Final = b"\r\n"
_LONGEST_LINE: Final = 998  # RFC 5322 2.1.1
_FOLD_AT: Final = 76
_WORD_BYTES: Final = 45  # 45 bytes are 60 of base64; with "=?utf-8?b?" and "?=" an encoded word of 72, of at most 75
_PLAIN: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_ENCODED_WORD: Final = re.compile(rb"=\?utf-8\?b\?([A-Za-z0-9+/]+={0,2})\?=")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]+")

HEADERS: Final = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type")
"""The headers of every mail of ours, each exactly once, in this order; further ones follow."""
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
PART_HEADERS: Final = ("Content-Type", "Content-Transfer-Encoding")
"""The headers of each of its two parts."""


class UnsafeMailError(ValueError):
    """The bytes are not the mail that was meant, and must not leave; says what is wrong, never with the text itself."""


def write_mail(
    *,
    sender: tuple[str, str],
    recipient: tuple[str, str],
    subject: str,
    date: str,
    message_id: str,
    text: str,
    html: str,
    more: Mapping[str, str] = _NONE,
) -> bytes:
    """Write a mail with a text and an HTML part: seven-bit, lines ended by CR LF.

    Args:
        sender: display name, or "", and address.
        recipient: as `sender`.
        subject: one line.
        date: as RFC 5322 writes it.
        message_id: without its angle brackets.
        text: the text part; lines end with a line feed.
        html: the HTML part.
        more: further headers, of plain ASCII.

    Raises:
        UnsafeMailError: it would not be exactly that mail.
    """
    boundary = f"=_{secrets.token_hex(16)}"  # drawn at random: no text can hold it on purpose
    local, _, domain = message_id.rpartition("@")
    if not (_TOKEN.fullmatch(local) and _TOKEN.fullmatch(domain)):
        raise UnsafeMailError("Message-ID: holds a character that it must not")
    values = (
        _mailbox("From", *sender),
        _mailbox("To", *recipient),
        _unstructured("Subject", subject),
        date,
        f"<{message_id}>",
        "auto-generated",  # RFC 3834: no out-of-office answers, please
        "1.0",
        f'multipart/alternative;\r\n boundary="{boundary}"',
    )
    if not all(_PLAIN.fullmatch(value) for value in more.values()):
        raise UnsafeMailError("has a further header that is not plain")
    headers = [*zip(HEADERS, values, strict=True), *more.items()]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    mark = b"--" + boundary.encode()
    content = b"".join(
        (
            _ascii(head),
            _CRLF,
            *(mark + _CRLF + _part(kind, body) for kind, body in (("plain", text), ("html", html))),
            mark + b"--" + _CRLF,
        )
    )
    judge(content, boundary=boundary, more=tuple(more))
    return content


def judge(content: bytes, *, boundary: str, more: Sequence[str] = ()) -> None:
    """Look at finished bytes as a server and a reader will, trusting nothing that was meant.

    Raises:
        UnsafeMailError: there is a bare CR or LF, a NUL or another control character, a byte beyond ASCII, a line over
            998 bytes, a header too many, too few or twice, a third part, or an encoded word that holds a control
            character.
    """
    if content.count(b"\r") != content.count(_CRLF) or content.count(b"\n") != content.count(_CRLF):
        raise UnsafeMailError("holds a bare CR or LF")
    lines = content.split(_CRLF)
    if content.translate(None, _WRITABLE):
        raise UnsafeMailError("holds a control character or a byte beyond ASCII")
    if max(map(len, lines)) > _LONGEST_LINE:
        raise UnsafeMailError("has a line of more than 998 bytes")
    end = lines.index(b"")
    _judge_headers(lines[:end], (*HEADERS, *more))
    mark = b"--" + boundary.encode()
    marks = [number for number, line in enumerate(lines) if line.startswith(mark)]
    if [lines[number] for number in marks] != [mark, mark, mark + b"--"] or marks[0] != end + 1:
        raise UnsafeMailError("is not made of exactly two parts")
    for start in marks[:2]:
        _judge_headers(lines[start + 1 : lines.index(b"", start)], PART_HEADERS)


def _judge_headers(lines: Sequence[bytes], expected: Sequence[str]) -> None:
    names = [line.partition(b":")[0].decode() for line in lines if not line.startswith((b" ", b"\t"))]
    if names != list(expected):
        raise UnsafeMailError("has other headers than it should")
    if any(not line.strip() for line in lines):
        raise UnsafeMailError("has an empty line within its headers")
    whole = b" ".join(lines)
    if b"=?" in _ENCODED_WORD.sub(b"", whole):
        raise UnsafeMailError("has an encoded word that is not of our making")
    for word in _ENCODED_WORD.findall(whole):
        try:
            shown = base64.b64decode(word, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise UnsafeMailError("has an encoded word that nobody can read") from None
        if any(character < " " or "\x7f" <= character <= "\x9f" for character in shown):
            raise UnsafeMailError("has an encoded word that holds a control character")


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise UnsafeMailError("has a header with a character beyond ASCII") from None


def _part(subtype: str, body: str) -> bytes:
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    # Line by line and as binary: a CR within a line is written as =0D, and can never become a line's end.
    lines = body.replace("\r\n", "\n").split("\n")
    written = [binascii.b2a_qp(_utf8(line), quotetabs=False, istext=False) for line in lines]
    return head.encode() + _CRLF.join(line.replace(b"\n", _CRLF) for line in written) + _CRLF


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise UnsafeMailError("holds half of a surrogate pair") from None


def _mailbox(header: str, name: str, address: str) -> str:
    # "=?" within an address: some readers decode it, and then see another address.
    if not _ADDRESS.fullmatch(address) or "=?" in address:
        raise UnsafeMailError(f"{header}: is no plain address")
    if not name:
        return address
    if _is_plain(name) and len(header) + len(name) < _FOLD_AT:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"\r\n <{address}>'
    return f"{_encoded(header, name)}\r\n <{address}>"


def _unstructured(header: str, text: str) -> str:
    if not text:
        raise UnsafeMailError(f"{header}: is empty")
    if _is_plain(text) and len(header) + len(text) + 2 <= _FOLD_AT:
        return text
    return _encoded(header, text)


def _is_plain(text: str) -> bool:
    """ASCII words with single spaces between them, and nothing that a reader could take for an encoded word."""
    return _PLAIN.fullmatch(text) is not None and "=?" not in text


def _encoded(header: str, text: str) -> str:
    """All of the text as encoded words, one a line; a reader drops the line ends between them, and nothing else."""
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise UnsafeMailError(f"{header}: holds a control character")
    words: list[bytes] = []
    chunk = b""
    for character in text:
        piece = _utf8(character)  # whole characters: each word must be readable by itself
        if len(chunk) + len(piece) > _WORD_BYTES - (len(header) if not words else 0):
            words.append(chunk)
            chunk = b""
        chunk += piece
    words.append(chunk)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)
