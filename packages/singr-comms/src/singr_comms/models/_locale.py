"""Tags of languages (BCP 47): which ones words are kept in, and how a tag is written."""

import re
from typing import Final

LOCALE_PATTERN: Final = r"^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?(?![\s\S])"
"""A language, perhaps with script and region: `de`, `zh-Hant`, `pt-BR`."""
_SCRIPT: Final = len("Hant")


def canonical_locale(locale: str) -> str:
    """A language tag as BCP 47 recommends to write it: `de-AT`, `zh-Hant-TW`."""
    language, *rest = re.split("[-_]", locale)
    return "-".join([language.lower(), *(_part(part) for part in rest)])


def _part(part: str) -> str:
    return part.title() if len(part) == _SCRIPT else part.upper()
