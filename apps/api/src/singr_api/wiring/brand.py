"""The brand on the pages that this API serves: their words, colours and icon, from the settings."""

from functools import cache
from html import escape
from string import Template
from typing import Final
from urllib.parse import quote, urlsplit

from singr_config import BrandSettings
from singr_config.text import is_visible

_LETTER: Final = Template(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='$color'/>"
    "<text x='16' y='23' text-anchor='middle' font-family='system-ui,sans-serif' font-weight='700' font-size='20'"
    " fill='#fff'>$letter</text></svg>"
)


@cache
def branded(asset: str, brand: BrandSettings, *, html: bool = False) -> str:
    """Fill a page, a style or a part of a page in: `$brand`, `$icon`, `$accent` and its kin; other names stay."""
    words = {"brand": brand.name, "icon": icon_of(brand)}
    if html:
        words = {name: escape(word, quote=True) for name, word in words.items()}
    colors = {"accent": brand.color, "accent_on_dark": brand.color_on_dark, "on_accent_on_dark": brand.text_on_light}
    return Template(asset).safe_substitute(words, **colors)


def icon_of(brand: BrandSettings) -> str:
    """Return the address of the pages' icon; the built-in one, the name's first letter, is an address by itself."""
    if brand.icon:
        return brand.icon.replace("$", "%24")
    letter = next(character for character in brand.name if character.isalnum() and is_visible(character)).upper()
    return "data:image/svg+xml," + quote(_LETTER.substitute(color=brand.color, letter=letter), safe="/:='% ")


def icon_source(brand: BrandSettings) -> str:
    """Return what a content security policy must let in for the icon's sake."""
    if not brand.icon:
        return "data:"
    parts = urlsplit(brand.icon)
    return f"data: {parts.scheme}://{parts.netloc}"
