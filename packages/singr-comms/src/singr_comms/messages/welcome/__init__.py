"""The first message to a new customer or singer."""

from typing import ClassVar, Final, Literal

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName


class Welcome(Message, tag="welcome", frozen=True, kw_only=True):
    """First message to a new customer or singer."""

    listed: ClassVar[int] = 70

    user_name: PersonName
    account_type: Literal["customer", "singer"]
    dashboard_link: HttpUrl


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    category="account",
    email=Welcome,
    examples=(
        lambda user="Jane Doe": Welcome(user_name=user, account_type="customer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": Welcome(user_name=user, account_type="singer", dashboard_link=EXAMPLE_LINK),
    ),
)
