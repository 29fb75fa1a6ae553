"""The section for what people know the product by."""

import re
from typing import Annotated, Final

import msgspec

from singr_config.colors import LEAST_CONTRAST, contrast, lightened, mixed
from singr_config.sections._variable import Variable
from singr_config.text import is_visible
from singr_config.values._kinds import Kind, domain, email_address, shown, web_url

LONGEST_BRAND_NAME: Final = 30
_NAME: Final = re.compile(rf"[\w .&'!-]{{1,{LONGEST_BRAND_NAME}}}")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_WHITE: Final = "#ffffff"
_DARKEST: Final = "#14121c"
_DARK_BOX: Final = "#2a2639"  # the lightest ground that pages and mails have in dark mode
_ON_DARK: Final = 6.4


def _brand_name() -> Kind:
    def parse(value: str) -> str:
        if not _NAME.fullmatch(value) or not any(one.isalnum() and is_visible(one) for one in value):
            raise ValueError(
                f"must be 1 to {LONGEST_BRAND_NAME} letters, digits, spaces and . & ' ! - _,"
                f" with a letter or a digit among them, not {shown(value)}"
            )
        return value

    return Kind("name", parse)


def _brand_color() -> Kind:
    def parse(value: str) -> str:
        if not _COLOR.fullmatch(value):
            raise ValueError(f"must be a colour as # and six hexadecimal digits, such as #6a35d9, not {shown(value)}")
        color = value.lower()
        ratio = contrast(color, _WHITE)
        if ratio < LEAST_CONTRAST:
            raise ValueError(
                f"must be darker: white text on {color} (and it on white) has a contrast of {ratio:.2f}:1, and"
                f" {LEAST_CONTRAST}:1 is needed to read it"
            )
        return color

    return Kind("colour", parse)


class BrandSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The brand: what people see in messages, on the pages behind links, and in their apps."""

    name: Annotated[
        str, Variable("BRAND_NAME", _brand_name(), "Name of the product, in messages, pages and passkey prompts.")
    ] = "Singr"
    color: Annotated[
        str,
        Variable(
            "BRAND_COLOR",
            _brand_color(),
            "Colour of buttons and links; white text on it needs a contrast of 4.5:1. Dark mode takes a tint.",
        ),
    ] = "#6a35d9"
    icon: Annotated[
        str,
        Variable("BRAND_ICON_URL", web_url(), "Address of the pages' icon; empty: the first letter in BRAND_COLOR."),
    ] = ""
    site: Annotated[
        str, Variable("BRAND_SITE", domain(), "Domain of the web site, which the foot of each mail names.")
    ] = "singrkaraoke.com"
    support: Annotated[
        str,
        Variable("BRAND_SUPPORT_EMAIL", email_address(), "Address for help, as mails show it."),
    ] = "support@singrkaraoke.com"

    @property
    def color_on_dark(self) -> str:
        """The colour for links and buttons in dark mode: as much white in it as they need to be read."""
        return lightened(self.color, ground=_DARK_BOX, least=_ON_DARK)

    @property
    def text_on_light(self) -> str:
        """For texts on `color_on_dark`."""
        return _DARKEST

    @property
    def box(self) -> str:
        """The ground of what stands out a little, in light mode."""
        return mixed(self.color, _WHITE, 0.06)

    @property
    def box_line(self) -> str:
        """The line around it."""
        return mixed(self.color, _WHITE, 0.18)
