"""News and offers in an organization's own words."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    HttpUrl,
    LongText,
    Message,
    MessageType,
    PlainText,
    PushText,
    ShortHttpUrl,
    Title,
)


class Campaign(Message, tag="campaign", frozen=True, kw_only=True):
    """News and offers in an organization's own words."""

    title: Title
    text: LongText
    link: HttpUrl


class CampaignSms(Message, tag="campaign", frozen=True, kw_only=True):
    """News and offers in an organization's own words."""

    text: PlainText
    link: ShortHttpUrl


class CampaignPush(Message, tag="campaign", frozen=True, kw_only=True):
    """News and offers in an organization's own words."""

    title: Title
    text: PushText
    link: ShortHttpUrl


_TITLE: Final = "The first asparagus is here"
_TEXT: Final = "Order by Thursday, and pick it up fresh on Saturday."

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="marketing",
    quiet="drop",
    email=Campaign,
    sms=CampaignSms,
    push=CampaignPush,
    examples=(
        lambda title=_TITLE, text=_TEXT: Campaign(title=title, text=text, link=EXAMPLE_LINK),
        lambda text=_TEXT: CampaignSms(text=text, link=EXAMPLE_LINK),
        lambda title=_TITLE, text=_TEXT: CampaignPush(title=title, text=text, link=EXAMPLE_LINK),
    ),
)
