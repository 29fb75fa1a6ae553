"""What categories of messages are called, by language: ours here, another team's by the types that are of it."""

import re
from collections.abc import Mapping
from typing import Final

from singr_comms.models._locale import canonical_locale
from singr_comms.rendering._formats import DEFAULT_LANGUAGE
from singr_comms.rendering._languages import LOCALE, fitting
from singr_config.text import ONE_LINE, has_visible

_LONGEST: Final = 64
_LINE: Final = re.compile(ONE_LINE)
OURS: Final[Mapping[str, Mapping[str, str]]] = {
    "account": {"en": "your account", "de": "Konto", "ar": "الحساب"},
    "digests": {"en": "summaries", "de": "Zusammen\u00adfassungen", "ar": "الملخصات"},
    "farms": {"en": "farms", "de": "Höfe", "ar": "المزارع"},
    "general": {"en": "general news", "de": "Allgemeines", "ar": "عام"},
    "marketing": {"en": "offers and news", "de": "Angebote und Neuigkeiten", "ar": "العروض والأخبار"},
    "messages": {"en": "messages", "de": "Nachrichten", "ar": "الرسائل"},
    "orders": {"en": "orders", "de": "Bestellungen", "ar": "الطلبات"},
    "payments": {"en": "payments", "de": "Zahlungen", "ar": "المدفوعات"},
    "requests": {"en": "song requests", "de": "Liedwünsche", "ar": "طلبات الأغاني"},
    "reviews": {"en": "reviews", "de": "Bewertungen", "ar": "التقييمات"},
    "stock": {"en": "stock", "de": "Bestand", "ar": "المخزون"},
}
"""Our own categories, as they are called within a sentence."""


def named_in(names: Mapping[str, str], *wanted: str | None) -> str | None:
    """The name in the first of the wanted languages that there is one in, else in English; None where there is none."""
    return names.get(fitting(names, *wanted))


def fault_in_names(category: str, names: object) -> str:
    """What is wrong with declared names of a category, and what would be right; empty where nothing is."""
    if names is None:
        return ""
    if not isinstance(names, Mapping) or not names:
        return 'category_names must be names by language, such as {"en": "rehearsals", "de": "Proben"}'
    if category in OURS:
        return f"{category} is one of Singr's own categories, which have names: leave category_names out"
    if DEFAULT_LANGUAGE not in names:
        return f"category_names must have a name in English ({DEFAULT_LANGUAGE}) too: others fall back to it"
    return next(filter(None, (_fault_in_name(*one) for one in names.items())), "")


def _fault_in_name(language: object, name: object) -> str:
    if not isinstance(language, str) or not LOCALE.fullmatch(language):
        such = canonical_locale(language) if isinstance(language, str) else ""
        called = such if LOCALE.fullmatch(such) else "de or pt-BR"
        return f"category_names has {language!r}, which is no language as BCP 47 has it: write {called}"
    if not (isinstance(name, str) and len(name) <= _LONGEST and _LINE.match(name) and has_visible(name)):
        return f"category_names for {language} must be one line with visible text, at most {_LONGEST} characters"
    return ""
