"""The pages, in each of their forms, made of the tables of kinds and codes."""

import html
import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import Final

import msgspec

from singr_api.http.codes import FIELD_CODES
from singr_api.http.kinds import BASE, INVALID, KINDS, NOT_FOUND, Kind
from singr_api.wiring.brand import branded
from singr_config import BrandSettings

_CODE: Final = re.compile(r"`([^`]+)`")
_INTRODUCTION: Final = (
    "An error response is a problem document (RFC 9457). Its `type` points to one of these pages, its `detail` says"
    " what happened this time, and its `errors` name each field that is wrong."
)


class ProblemPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kind of problem, and what to do about it.

    Attributes:
        type: as in the problem documents of this kind.
        detail: what it means, in words that can be shown to people.
        remedy: what to do about it, likewise.
        codes: the meaning of the values of `code` in `errors`, where they matter most.
    """

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    codes: dict[str, str] = {}


class ProblemIndex(msgspec.Struct, frozen=True):
    """Every kind of problem, and every `code` in `errors`."""

    problems: list[ProblemPage]
    codes: dict[str, str]


def page_of(kind: Kind) -> ProblemPage:
    """Return the page of one kind."""
    codes = {str(code): said for code, said in FIELD_CODES.items()} if kind is INVALID else {}
    return ProblemPage(BASE + kind.slug, kind.title, kind.status, kind.meaning, kind.remedy, codes)


@cache
def as_json(kind: Kind | None) -> bytes:
    """Return the page of a kind, or the index, as JSON."""
    if kind is not None:
        return msgspec.json.encode(page_of(kind))
    codes = {str(code): said for code, said in FIELD_CODES.items()}
    return msgspec.json.encode(ProblemIndex([page_of(each) for each in KINDS], codes))


@cache
def as_text(kind: Kind | None) -> bytes:
    """Return the page of a kind, or the index, as plain text."""
    if kind is None:
        lines = [f"{each.status} {each.slug}: {each.title}" for each in KINDS]
        return "\n".join(["Problems", "", *lines, "", *_codes_as_text()]).encode()
    lines = [f"{kind.title} ({kind.status} {kind.slug})", "", kind.meaning, "", f"What to do: {kind.remedy}", ""]
    return "\n".join([*lines, *(_codes_as_text() if kind is INVALID else ())]).encode()


@cache
def as_html(kind: Kind | None, brand: BrandSettings) -> bytes:
    """Return the page of a kind, or the index, for browsers."""
    return _page("Problems", _index(), brand) if kind is None else _page(kind.title, _about(kind), brand)


@cache
def missing_as_html(brand: BrandSettings) -> bytes:
    """Return what a browser is told where there is no such kind."""
    text = "There is no kind of problem with this name. “All problems” lists them all."
    return _page(NOT_FOUND.title, f"<h1>{_text(NOT_FOUND.title)}</h1>\n<p>{text}</p>", brand)


def _page(title: str, content: str, brand: BrandSettings) -> bytes:
    text = (files("singr_api.operations.problems") / "assets" / "page.html").read_text(encoding="utf-8")
    shell = Template(branded(text, brand, html=True))
    return shell.substitute(title=html.escape(title), content=content).encode()


def _about(kind: Kind) -> str:
    parts = [
        f'<p class="who"><span class="status">{kind.status}</span> <code>{kind.slug}</code></p>',
        f"<h1>{_text(kind.title)}</h1>",
        f"<p>{_text(kind.meaning)}</p>",
        f"<h2>What to do</h2>\n<p>{_text(kind.remedy)}</p>",
    ]
    return "\n".join([*parts, *([_codes()] if kind is INVALID else ())])


def _index() -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><a href="/problems/{kind.slug}">{kind.slug}</a></th>'
        f'<td><span class="status">{kind.status}</span> {_text(kind.title)}</td></tr>'
        for kind in KINDS
    )
    table = f"<table><tbody>\n{rows}\n</tbody></table>"
    return f"<h1>Problems</h1>\n<p>{_text(_INTRODUCTION)}</p>\n{table}\n{_codes()}"


def _codes() -> str:
    rows = "\n".join(
        f'<tr><th scope="row" id="{code}">{code}</th><td>{_text(said)}</td></tr>' for code, said in FIELD_CODES.items()
    )
    words = "The <code>code</code> of each entry in <code>errors</code> says what is wrong with a field."
    return f'<h2 id="codes">Codes of fields</h2>\n<p>{words}</p>\n<table><tbody>\n{rows}\n</tbody></table>'


def _codes_as_text() -> list[str]:
    return ["Codes of fields", "", *(f"{code}: {said}" for code, said in FIELD_CODES.items()), ""]


def _text(words: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(words, quote=False))
