"""Amounts, days, times and counts as a language writes them: English, German, Arabic.

What is formatted is data of a pattern that its model checks (`Amount`, `LocalDateTime`, `LocalDay`), so nothing here
fails, and none of it can hold a word of anybody's. A `Moment` may be any text, and then stays what it is.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import jinja2

from singr_comms.models._currencies import decimals_of
from singr_comms.models._fields import INSTANT_PATTERN

_MONTHS: Final = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
}
_DAYS: Final = {"de": "{day}. {month} {year}"}
_USUAL_DAY: Final = "{day} {month} {year}"
_TIMES: Final = {"en": "{day} at {time}", "de": "{day}, {time} Uhr", "ar": "{day}، {time}"}
_USUAL_TIME: Final = "{day}, {time}"
_INSTANTS: Final = {"ar": "{day}، {time} UTC"}
_USUAL_INSTANT: Final = "{day}, {time} UTC"
_INSTANT: Final = re.compile(INSTANT_PATTERN)
# By CLDR's categories of plurals, `other` where one is not named. Arabic has a dual, counts three to ten in the plural,
# and eleven to ninety-nine in another case of the singular than hundreds.
_UNITS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "en": {
        "minutes": {"one": "{} minute", "other": "{} minutes"},
        "hours": {"one": "{} hour", "other": "{} hours"},
        "days": {"one": "{} day", "other": "{} days"},
    },
    "de": {
        "minutes": {"one": "{} Minute", "other": "{} Minuten"},
        "hours": {"one": "{} Stunde", "other": "{} Stunden"},
        "days": {"one": "{} Tag", "other": "{} Tage"},
    },
    "ar": {
        "minutes": {"one": "دقيقة واحدة", "two": "دقيقتين", "few": "{} دقائق", "other": "{} دقيقة"},
        "hours": {"one": "ساعة واحدة", "two": "ساعتين", "few": "{} ساعات", "other": "{} ساعة"},
        "days": {"one": "يوم واحد", "two": "يومين", "few": "{} أيام", "many": "{} يومًا", "other": "{} يوم"},
    },
}
_SEPARATORS: Final = {"en": (",", "."), "de": (".", ","), "ar": (",", ".")}
_USUAL_SEPARATORS: Final = ("", ".")  # a comma would be a decimal one to half the world
_ENDS: Final = frozenset(".!?…؟。")
_CLOSING: Final = '\u2069“”"»)'  # the end of an isolate, of a quotation, of brackets: a sentence ends within them
DEFAULT_LANGUAGE: Final = "en"
"""The language of whatever has no words in another."""


def sentence(text: str) -> str:
    """A text of somebody's as a whole sentence: with a full stop, unless it ends like one.

    >>> sentence("Sold out"), sentence("Sold out!"), sentence("He wrote: “Sold out!”")
    ('Sold out.', 'Sold out!', 'He wrote: “Sold out!”')
    """
    shown = text.rstrip()
    return shown if shown.rstrip(_CLOSING)[-1:] in _ENDS else f"{shown}."


@jinja2.pass_context
def money(context: jinja2.runtime.Context, amount: str) -> str:
    """`EUR 12.50` as the mail's language writes it."""
    return written_amount(amount, context.get("lang", DEFAULT_LANGUAGE))


@jinja2.pass_context
def day(context: jinja2.runtime.Context, given: str) -> str:
    """`2026-11-28` as the mail's language writes it."""
    return _of_its_form(context, "day", "a LocalDay", written_day, given)


@jinja2.pass_context
def moment(context: jinja2.runtime.Context, given: str) -> str:
    """`2026-11-28T17:00` as the mail's language writes it."""
    return _of_its_form(context, "moment", "a LocalDateTime", written_moment, given)


@jinja2.pass_context
def instant(context: jinja2.runtime.Context, given: str) -> str:
    """`2026-11-28T17:00Z` as the mail's language writes it, and other text as it is."""
    return written_instant(given, context.get("lang", DEFAULT_LANGUAGE))


@jinja2.pass_context
def minutes(context: jinja2.runtime.Context, count: int) -> str:
    """So many minutes, as the mail's language counts them."""
    return counted(count, "minutes", context.get("lang", DEFAULT_LANGUAGE))


@jinja2.pass_context
def hours(context: jinja2.runtime.Context, count: int) -> str:
    """So many hours."""
    return counted(count, "hours", context.get("lang", DEFAULT_LANGUAGE))


@jinja2.pass_context
def days(context: jinja2.runtime.Context, count: int) -> str:
    """So many days."""
    return counted(count, "days", context.get("lang", DEFAULT_LANGUAGE))


def _of_its_form(
    context: jinja2.runtime.Context, named: str, takes: str, write: Callable[[str, str], str], given: str
) -> str:
    """What a filter writes; where a template gives it something else, the error says which variable that was."""
    try:
        return write(given, context.get("lang", DEFAULT_LANGUAGE))
    except (ValueError, IndexError, AttributeError):
        variable = next((name for name, value in context.get_all().items() if value is given), "something else")
        raise ValueError(f"the filter {named} takes {takes}, not {variable}") from None


def counted(count: int, unit: str, lang: str) -> str:
    """So many of a unit, by the plural rules of a language (CLDR)."""
    forms = _UNITS.get(lang, _UNITS[DEFAULT_LANGUAGE])[unit]
    return forms.get(_category(count, lang), forms["other"]).format(count)


def _category(count: int, lang: str) -> str:
    """CLDR's category of a count: in Arabic by the last two digits, elsewhere whether it is one."""
    if count == 1:
        return "one"
    if lang != "ar":
        return "other"
    if count == 2:  # noqa: PLR2004 - the dual
        return "two"
    last = count % 100
    if 3 <= last <= 10:  # noqa: PLR2004 — CLDR's own numbers
        return "few"
    return "many" if last > 10 else "other"  # noqa: PLR2004 — CLDR's own numbers


def clock(given: str) -> str:
    """The time of `2026-11-28T17:00`, as clocks show it."""
    return given.partition("T")[2]


def written_amount(amount: str, lang: str) -> str:
    """An amount with the code of its currency, which is clear everywhere and costs no SMS its alphabet.

    It has the currency's decimals, however many were given, and its thousands are set apart where it is known how.

    >>> written_amount("EUR 1234567.5", "en"), written_amount("EUR 12", "de"), written_amount("JPY 1250", "ar")
    ('EUR 1,234,567.50', '12,00 EUR', '1,250 JPY')
    """
    currency, _, number = amount.partition(" ")
    decimals = decimals_of(currency)
    if decimals is None:
        return amount
    whole, _, given = number.partition(".")
    thousands, point = _SEPARATORS.get(lang, _USUAL_SEPARATORS)
    written = f"{int(whole):,}".replace(",", thousands)
    if decimals:
        written += point + given.ljust(decimals, "0")
    return f"{currency} {written}" if lang == DEFAULT_LANGUAGE else f"{written} {currency}"


def written_day(given: str, lang: str) -> str:
    """A day with the month in words."""
    year, month, number = given.split("-")
    months = _MONTHS.get(lang, _MONTHS[DEFAULT_LANGUAGE]).split()
    return _DAYS.get(lang, _USUAL_DAY).format(day=int(number), month=months[int(month) - 1], year=year)


def written_moment(given: str, lang: str) -> str:
    """A day with the month in words, and the time."""
    date, _, time = given.partition("T")
    return _TIMES.get(lang, _USUAL_TIME).format(day=written_day(date, lang), time=time)


def written_instant(given: str, lang: str) -> str:
    """A moment of UTC with the month in words, where the text is one (`Moment`), which may stand in an isolate."""
    form = _INSTANTS.get(lang, _USUAL_INSTANT)
    return _INSTANT.sub(lambda found: form.format(day=written_day(found[1], lang), time=found[2]), given)
