"""Texts made from the declarations: `.env.example`, the table of the guide, and the summary of a check."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import msgspec

from singr_config.sections._settings import Settings, all_variables
from singr_config.sections._variable import Declared, as_text

BEGIN: Final = "<!-- begin: written by `singr-config docs --write`; change the settings classes instead -->"
END: Final = "<!-- end: written by `singr-config docs --write` -->"

_HEAD: Final = """\
# Every variable that Singr reads, with its default in development; made by `singr-config env`, not by hand.
#
# Development needs none of them: `make run` works without a .env file. To change one, copy this file to .env and
# take the # away in front of it. A .env file is read in development and test only and never overrides the real
# environment; in production set real variables, and try them with `singr-config check`.
"""


def env_example() -> str:
    """The text of `.env.example`: every variable, switched off by a `#`, with its default in development."""
    lines = [_HEAD]
    for title, items in _by_section():
        lines.append(f"# --- {title} ---")
        for item in items:
            lines.append(f"# {item.variable.help} [{item.variable.kind.label}]{_env_note(item)}")
            lines.append(f"#{item.variable.name}={_env_default(item)}")
        lines.append("")
    return "\n".join(lines)


def docs_table() -> str:
    """The tables of `docs/CONFIGURATION.md`, one for each section, between their markers."""
    lines = [BEGIN, ""]
    for title, items in _by_section():
        lines += [f"#### {title}", "", "| variable | what it is | value | default | in production |"]
        lines.append("|---|---|---|---|---|")
        lines += [_row(item) for item in items]
        lines.append("")
    return "\n".join([*lines, END])


def replace_table(document: str) -> str:
    """Put the tables of today between the markers of a document.

    Raises:
        ValueError: the document lacks a marker.
    """
    begin, end = document.find(BEGIN), document.find(END)
    if begin < 0 or end < begin:
        raise ValueError(f"the document needs the two lines {BEGIN} and {END}")
    return document[:begin] + docs_table() + document[end + len(END) :]


def summary(settings: Settings) -> str:
    """Every variable with its value, a section a paragraph; secrets are masked."""
    lines = []
    for title, items in _by_section():
        lines.append(f"{title}:")
        for item in items:
            value = (item.variable.kind.write or as_text)(_value(settings, item.path))
            shown = value.split("\n", maxsplit=1)[0] + " …" if "\n" in value else value
            lines.append(f"  {item.variable.name} = {shown or '(empty)'}")
    return "\n".join(lines)


def _by_section() -> Iterator[tuple[str, tuple[Declared, ...]]]:
    titles = {field.name: _title(field.type) for field in msgspec.structs.fields(Settings)}
    for name, items in groupby(all_variables(), key=lambda item: item.path[0]):
        yield titles[name], tuple(items)


def _title(section: Any) -> str:
    # A section's docstring begins with its name
    return re.split(r"[,.:;\n]", section.__doc__ or "", maxsplit=1)[0]


def _value(settings: Settings, path: tuple[str, ...]) -> Any:
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _is_plain_secret(item: Declared) -> bool:
    return item.variable.kind.secret and not item.variable.kind.label.startswith("URL")


def _env_default(item: Declared) -> str:
    # A known value for a secret would only be copied to where it must not be
    return "" if _is_plain_secret(item) else item.development_text


def _env_note(item: Declared) -> str:
    if item.required_in_production:
        return " Required in production."
    return f" Needed while {item.variable.needed}." if item.variable.needed else ""


def _row(item: Declared) -> str:
    variable = item.variable
    cells = (f"`{variable.name}`", variable.help, variable.kind.label, _default_cell(item), _production_cell(item))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default_cell(item: Declared) -> str:
    if item.development_text and _is_plain_secret(item):
        return "a value for development"
    return " ".join(f"`{part}`" for part in item.development_text.split(",") if part)


def _production_cell(item: Declared) -> str:
    variable, notes = item.variable, []
    if item.required_in_production:
        notes.append("**Required**")
    elif variable.needed is not None:
        notes.append(f"Needed while `{variable.needed}`")
    elif item.development_text != item.default_text:
        notes.append(f"Default `{item.default_text}`" if item.default_text else "No default")
    if variable.production_note:
        notes.append(variable.production_note)
    return ". ".join(notes)
