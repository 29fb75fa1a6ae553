"""What is answered of brands and own words."""

from datetime import datetime

import msgspec

from singr_comms.notifications import OverrideView


class Brand(msgspec.Struct, frozen=True, kw_only=True):
    """How an organization's mails look.

    Attributes:
        locale: the language of messages to people who have none of their own, or one that a type has no text in.
        logo_url: the address of the logo.
        starts_at: messages created from then on use it.
    """

    name: str
    color: str
    footer: str | None
    locale: str | None
    logo_url: str | None
    logo_width: int | None
    logo_height: int | None
    starts_at: datetime


class OverrideList(msgspec.Struct, frozen=True):
    """All of an organization's own texts, by type, channel and language."""

    items: list[OverrideView]
