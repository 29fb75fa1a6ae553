"""A title and a text as they are, on every channel."""

from typing import ClassVar, Final

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


class PlainEmail(Message, tag="plain", frozen=True, kw_only=True):
    """A custom title and text, and a link to more."""

    title: Title
    text: LongText
    link: HttpUrl | None = None


class PlainSms(Message, tag="plain", frozen=True, kw_only=True):
    """A custom text."""

    listed: ClassVar[int] = 50

    text: PlainText


class PlainPush(Message, tag="plain", frozen=True, kw_only=True):
    """A custom title and text, and where a tap leads."""

    title: Title
    text: PushText
    link: ShortHttpUrl | None = None


_NEXT: Final = "You are next: come to the stage."

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    email=PlainEmail,
    sms=PlainSms,
    push=PlainPush,
    examples=(
        lambda title="You are next", text="Come to the stage.\n\nWe are looking forward to you.": PlainEmail(
            title=title, text=text
        ),
        lambda title="Your song was accepted", text="Somebody to Love, at about 21:30.": PlainEmail(
            title=title, text=text, link=EXAMPLE_LINK
        ),
        lambda text=_NEXT: PlainSms(text=text),
        lambda title="You are next", text="Come to the stage.": PlainPush(title=title, text=text),
        lambda title="Your song was accepted", text="Somebody to Love, at about 21:30.": PlainPush(
            title=title, text=text, link=EXAMPLE_LINK
        ),
    ),
)
