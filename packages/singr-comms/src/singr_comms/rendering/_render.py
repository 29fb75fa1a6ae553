"""Messages into words. Pure: the same message gives the same text, nothing is read but the templates."""

from functools import cache
from typing import Final

import jinja2
import msgspec

from singr_comms.messages._messages import EmailMessage, SmsMessage, checked, kind_of
from singr_comms.rendering._inert import inert, inert_variables
from singr_config import BrandSettings

_SUBJECT_LIMIT: Final = 200
DEFAULT_BRAND: Final = BrandSettings()
"""What messages look like where nobody says otherwise."""


class RenderedEmail(msgspec.Struct, frozen=True):
    """An e-mail in words.

    Args:
        subject: One line of at most 200 characters, without control characters. What people typed is shown as it is,
            but for characters that cannot be seen or that turn the direction of the rest; so in all three.
        text: Plain text, lines separated by a line feed.
        html: A complete HTML document; every variable in it is escaped.
    """

    subject: str
    text: str
    html: str


def render_email(message: EmailMessage, brand: BrandSettings = DEFAULT_BRAND) -> RenderedEmail:
    """Render a message with this package's templates.

    Args:
        message: What to say.
        brand: Whose message it is.

    Raises:
        InvalidMessageError: A variable breaks its model.
    """
    variables = _variables(message, brand)
    folder = f"email/{kind_of(message)}"
    return RenderedEmail(
        subject=_one_line(_render(f"{folder}/subject.txt", variables)),
        text=_render(f"{folder}/body.txt", variables).strip() + "\n",
        html=_render(f"{folder}/body.html", variables).strip() + "\n",
    )


def render_sms(message: SmsMessage, brand: BrandSettings = DEFAULT_BRAND) -> str:
    """Render an SMS: at most 1,600 characters; see :func:`sms_segments` for what it costs.

    Args:
        message: What to say.
        brand: Whose message it is.

    Raises:
        InvalidMessageError: A variable breaks its model.
    """
    variables = _variables(message, brand)
    return _render(f"sms/{kind_of(message)}.txt", variables).strip()


def _variables(message: EmailMessage | SmsMessage, brand: BrandSettings) -> dict[str, object]:
    return inert_variables(msgspec.structs.asdict(checked(message, type(message)))) | {"brand": brand}


def _one_line(subject: str) -> str:
    # The models let no control character in; this holds even for a template that forgot itself.
    line = " ".join(inert(subject).split())
    return line if len(line) <= _SUBJECT_LIMIT else line[: _SUBJECT_LIMIT - 1].rstrip() + "…"


def _render(name: str, variables: dict[str, object]) -> str:
    return _environment().get_template(name).render(variables)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("singr_comms"),
        # A text part or an SMS shows "&" as it is.
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False, default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters["plural"] = _plural
    return environment
