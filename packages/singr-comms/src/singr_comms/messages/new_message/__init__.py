"""Somebody wrote to the reader."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, Message, MessageType, PersonName, PushText, ShortHttpUrl


class NewMessagePush(Message, tag="new_message", frozen=True, kw_only=True):
    """Somebody wrote to the reader."""

    sender_name: PersonName
    text: PushText
    link: ShortHttpUrl


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="messages",
    push=NewMessagePush,
    examples=(
        lambda sender="Jane Doe", text="Are the tomatoes still available?": NewMessagePush(
            sender_name=sender, text=text, link=EXAMPLE_LINK
        ),
    ),
)
