"""Texts of message types into words. Pure: the same message gives the same text, nothing is read but the templates."""

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import jinja2
import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.models._message import Message, checked
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_comms.rendering._formats import (
    DEFAULT_LANGUAGE,
    clock,
    day,
    days,
    hours,
    instant,
    minutes,
    moment,
    money,
    sentence,
)
from singr_comms.rendering._inert import inert, inert_variables, is_link
from singr_comms.rendering._languages import END, ISOLATE, ISOLATES, LOCALE, direction, fitting, isolated, locales_in
from singr_comms.rendering._own_words import filled_in, fit, paragraphs_of, written_variables
from singr_comms.rendering._paragraphs import split_paragraphs
from singr_config import BrandSettings

LAYOUT: Final = "layout"
"""Where all types find what their texts are built of: `layout/base.html`, `base.txt` and `parts.html`."""
DEFAULT_BRAND: Final = BrandSettings()
"""What messages look like where nobody says otherwise."""
_SUBJECT_LIMIT: Final = 200
_TITLES: Final = (".subject.txt", ".title.txt")
_PIECES: Final = re.compile(f"([{ISOLATE}{END}])")

_folders: Final[dict[str, Traversable]] = {}
_places: Final[dict[type[Message], str]] = {}


def place(model: type[Message], folder: Traversable) -> None:
    """Say in which folder the texts of a model lie; nothing is read."""
    _locales.cache_clear()
    _folders[str(folder)] = folder
    _places[model] = str(folder)


def language_of(model: type[Message], texts: tuple[str, ...], *wanted: str | None) -> str:
    """In which language these texts of a model are had, of those that are wanted, the dearest first."""
    name = _places.get(model)
    return DEFAULT_LANGUAGE if name is None else fitting(_locales(name, texts), *wanted)


@cache
def _locales(name: str, texts: tuple[str, ...]) -> frozenset[str]:
    return locales_in(_folders[name], texts)


def render(
    message: Message,
    brand: BrandSettings,
    *texts: str,
    locale: str | None = None,
    choices: str | None = None,
    unsubscribe: str | None = None,
) -> list[str]:
    """Render texts of a message, such as `sms.txt`: all of them in one language, which is English where there is none.

    `choices` and `unsubscribe` are links at the foot of a mail, which its layout shows.

    Raises:
        InvalidMessageError: a variable breaks its model, or nobody has declared the message's type.
    """
    try:
        folder = _places[type(message)]
    except KeyError:
        name = type(message).__name__
        message_said = f"{name} is of no declared type: add its MessageType to message_types"
        raise InvalidMessageError("", message_said) from None
    lang = language_of(type(message), texts, locale)
    shown = inert_variables(checked(message, type(message)), base_direction=direction(lang))
    foot = {"choices": choices, "unsubscribe": unsubscribe}
    variables = shown | {"brand": _set_apart(brand, lang), "lang": lang, "dir": direction(lang), "foot": foot}
    place_of = folder if lang == DEFAULT_LANGUAGE else f"{folder}/{lang}"
    words = brand.words if isinstance(brand, OrganizationBrand) else None
    own = None if words is None else _own(message, words, variables, place_of, texts)
    if own is None:
        return [environment().get_template(f"{place_of}/{text}").render(variables) for text in texts]
    return [own(text) for text in texts]


def _set_apart(brand: BrandSettings, lang: str) -> BrandSettings:
    """A brand whose name turns nothing of the words around it, as names of people and things do not."""
    return msgspec.structs.replace(brand, name=isolated(brand.name, direction(lang)))


def _own(
    message: Message, words: Words, variables: dict[str, object], place_of: str, texts: tuple[str, ...]
) -> Callable[[str], str] | None:
    """What gives the texts of a message in an organization's own words; None where these come out too long.

    Args:
        message: what is told.
        words: the organization's.
        variables: the message's, inert, with brand and language.
        place_of: where the type's own texts lie, of which the first is its subject or title.
        texts: what is asked for.
    """
    written = written_variables(type(message), variables, str(variables["lang"]))
    if not fit(words, texts[0].partition(".")[0], written):
        return None
    text = filled_in(words.text, written).strip()

    def subject() -> str:
        if words.subject is None:
            return environment().get_template(f"{place_of}/{texts[0]}").render(variables)
        return filled_in(words.subject, written)

    def write(name: str) -> str:
        if name.endswith(_TITLES):
            return subject()
        if not name.startswith("email."):
            return text
        links = {one: str(value) for one, value in variables.items() if is_link(one) and value}
        own: dict[str, object] = {"text": text, "first": text.partition("\n")[0]}
        if name.endswith(".html"):
            own |= {"subject": subject(), "paragraphs": paragraphs_of(words, written, links)}
        return environment().get_template(f"{LAYOUT}/own.{name.rpartition('.')[2]}").render(variables | {"own": own})

    return write


def page_of(text: str, *, title: str, heading: str | None, locale: str) -> str:
    """A page that shows a text as it is, with its line ends."""
    shown = {"text": text, "title": title, "heading": heading, "lang": locale, "dir": direction(locale)}
    return environment().get_template(f"{LAYOUT}/page.html").render(shown)


def one_line(subject: str) -> str:
    """A subject as one bounded line."""
    # The models let no control character in; this holds even for a template that forgot itself.
    # Isolates are ours: those of people were taken out of their variables.
    line = " ".join("".join(piece if piece in ISOLATES else inert(piece) for piece in _PIECES.split(subject)).split())
    if len(line) <= _SUBJECT_LIMIT:
        return line
    cut = line[: _SUBJECT_LIMIT - 1]
    if _is_open(cut):  # room for its end; unless it began with the very character that makes this room
        cut = cut[:-1]
    return f"{cut.rstrip()}…{END if _is_open(cut) else ''}"


def _is_open(text: str) -> bool:
    return text.count(ISOLATE) > text.count(END)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class _Folders(jinja2.BaseLoader):
    """Loads a text by its folder and name: those of declared types, and the layout that all share."""

    def get_source(
        self, _environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        folder, _, name = template.rpartition("/")
        place = files(__package__) / LAYOUT if folder == LAYOUT else _folder_of(folder)
        if place is None or not (place / name).is_file():
            raise jinja2.TemplateNotFound(template)
        return (place / name).read_text(encoding="utf-8-sig"), template, None  # some editors begin with a mark


def _folder_of(name: str) -> Traversable | None:
    """The folder of a type, or the one of a language in it."""
    whole = _folders.get(name)
    if whole is not None:
        return whole
    parent, _, lang = name.rpartition("/")
    return _folders[parent] / lang if parent in _folders and LOCALE.fullmatch(lang) else None


class _Environment(jinja2.Environment):
    def join_path(self, template: str, parent: str) -> str:
        """What a text names lies beside it, or in the layout."""
        return template if template.startswith(f"{LAYOUT}/") else f"{parent.rpartition('/')[0]}/{template}"


@cache
def environment() -> jinja2.Environment:
    """The templates' environment; nothing is read until something is rendered."""
    made = _Environment(
        loader=_Folders(),
        # A text part or an SMS shows "&" as it is.
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False, default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    # Drawn anew at each rendering: another try of a message would say something else. All else of Jinja's is pure.
    del made.filters["random"], made.globals["lipsum"]
    made.filters |= {"plural": _plural, "sentence": sentence, "clock": clock, "paragraphs": split_paragraphs}
    made.filters |= {
        "money": money,
        "day": day,
        "moment": moment,
        "instant": instant,
        "minutes": minutes,
        "hours": hours,
        "days": days,
    }
    return made


def forget_texts() -> None:
    """Read texts anew when they are next rendered: for whoever edits one and wants to see it."""
    environment.cache_clear()
    _locales.cache_clear()
