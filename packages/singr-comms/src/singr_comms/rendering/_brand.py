"""What an organization's messages look like and say: given to whoever renders one, and pure data."""

import msgspec

from singr_config import BrandSettings


class Words(msgspec.Struct, frozen=True):
    """An organization's own words in place of a type's, for one message: text with variables in braces.

    Args:
        text: the whole text; `{link}` stands for the variable `link`, and nothing else has a meaning.
        subject: of an e-mail, or the title of a push; the type's own unless given.
    """

    text: str
    subject: str | None = None


class OrganizationBrand(BrandSettings, frozen=True, kw_only=True):
    """The brand of an organization, in place of the platform's.

    Args:
        footer: lines at the foot of mails.
        logo: its address; empty where there is none, and mails then show the name.
        logo_width: as it is shown, in pixels.
        logo_height: likewise.
        sender: whom mails say that they come from; the platform's own name unless given.
        words: what a message says, where the organization has words of its own for it.
        locale: the language of messages to people who have none of their own, or one that a type has no words in.
    """

    footer: str = ""
    logo: str = ""
    logo_width: int = 0
    logo_height: int = 0
    sender: str = ""
    words: Words | None = None
    locale: str | None = None
