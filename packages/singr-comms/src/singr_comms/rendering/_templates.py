"""Texts of message types into words. Pure: the same message gives the same text, nothing is read but the templates."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import jinja2

from singr_comms._errors import InvalidMessageError
from singr_comms.models._message import Message, checked
from singr_comms.rendering._formats import clock, day, moment, money, sentence
from singr_comms.rendering._inert import inert, inert_variables
from singr_config import BrandSettings

LAYOUT: Final = "layout"
"""Where all types find what their texts are built of: `layout/base.html`, `base.txt` and `parts.html`."""
DEFAULT_BRAND: Final = BrandSettings()
"""What messages look like where nobody says otherwise."""
_SUBJECT_LIMIT: Final = 200

_folders: Final[dict[str, Traversable]] = {}
_places: Final[dict[type[Message], str]] = {}


def place(model: type[Message], folder: Traversable) -> None:
    """Say in which folder the texts of a model lie; nothing is read."""
    _folders[str(folder)] = folder
    _places[model] = str(folder)


def render(message: Message, brand: BrandSettings, *texts: str) -> list[str]:
    """Render texts of a message, such as `sms.txt`.

    Raises:
        InvalidMessageError: a variable breaks its model, or nobody has declared the message's type.
    """
    try:
        folder = _places[type(message)]
    except KeyError:
        name = type(message).__name__
        message_said = f"{name} is of no declared type: add its MessageType to message_types"
        raise InvalidMessageError("", message_said) from None
    variables = inert_variables(checked(message, type(message))) | {"brand": brand}
    return [environment().get_template(f"{folder}/{text}").render(variables) for text in texts]


def one_line(subject: str) -> str:
    """A subject as one bounded line."""
    # The models let no control character in; this holds even for a template that forgot itself.
    line = " ".join(inert(subject).split())
    return line if len(line) <= _SUBJECT_LIMIT else line[: _SUBJECT_LIMIT - 1].rstrip() + "…"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class _Folders(jinja2.BaseLoader):
    """Loads a text by its folder and name: those of declared types, and the layout that all share."""

    def get_source(
        self, _environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        folder, _, name = template.rpartition("/")
        place = files(__package__) / LAYOUT if folder == LAYOUT else _folders.get(folder)
        if place is None or not (place / name).is_file():
            raise jinja2.TemplateNotFound(template)
        return (place / name).read_text(encoding="utf-8"), template, None


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
    made.filters |= {
        "plural": _plural,
        "sentence": sentence,
        "money": money,
        "day": day,
        "moment": moment,
        "clock": clock,
    }
    return made


def forget_texts() -> None:
    """Read texts anew when they are next rendered: for whoever edits one and wants to see it."""
    environment.cache_clear()
