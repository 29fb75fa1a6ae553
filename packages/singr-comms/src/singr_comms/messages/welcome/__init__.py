"""The first message to a new customer or singer."""

from typing import ClassVar, Final, Literal

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl


class Welcome(Message, tag="welcome", frozen=True, kw_only=True):
    """First message to a new customer or singer."""

    listed: ClassVar[int] = 70

    user_name: PersonName
    account_type: Literal["customer", "singer"]
    dashboard_link: HttpUrl


class WelcomeSms(Message, tag="welcome", frozen=True, kw_only=True):
    """First message to a new customer or singer."""

    user_name: PersonName
    account_type: Literal["customer", "singer"]
    dashboard_link: ShortHttpUrl


class WelcomePush(WelcomeSms, tag="welcome", frozen=True, kw_only=True):
    """First message to a new customer or singer; a tap opens their dashboard."""


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    category="account",
    email=Welcome,
    sms=WelcomeSms,
    push=WelcomePush,
    default_channels=("email",),
    examples=(
        lambda user="Jane Doe": Welcome(user_name=user, account_type="customer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": Welcome(user_name=user, account_type="singer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": WelcomeSms(user_name=user, account_type="customer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": WelcomeSms(user_name=user, account_type="singer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": WelcomePush(user_name=user, account_type="customer", dashboard_link=EXAMPLE_LINK),
        lambda user="Jane Doe": WelcomePush(user_name=user, account_type="singer", dashboard_link=EXAMPLE_LINK),
    ),
)
