"""Masks for what must not lie in logs and delivery logs in the clear."""

import re
from typing import Final

_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_LONG_NUMBER: Final = re.compile(r"\+?[0-9](?:[ ().-]{0,2}[0-9]){3,14}")
_LONGEST: Final = 300


def mask_email(address: str) -> str:
    """``jane@example.org`` becomes ``j***@example.org``."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def mask_phone(number: str) -> str:
    """``+15555550100`` becomes ``+1******0100``: two characters in front, four behind."""
    return number[:2] + "*" * max(len(number) - 6, 0) + number[-4:] if len(number) > 6 else "*" * len(number)  # noqa: PLR2004 - the same six as in the line itself


def scrub(text: str) -> str:
    """Make a provider's words fit to be kept: one line, bounded, without addresses, phone numbers or codes."""
    line = " ".join(text.split())[:_LONGEST]
    line = "".join(character if character.isprintable() else "?" for character in line)
    line = _EMAIL.sub(lambda found: mask_email(found.group()), line)
    return _LONG_NUMBER.sub("[number]", line)
