"""Join an organization."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, ExpiryDays, HttpUrl, Message, MessageType, PersonName


class Invitation(Message, tag="invitation", frozen=True, kw_only=True):
    """Join an organization."""

    listed: ClassVar[int] = 80

    inviter_name: PersonName
    organization_name: PersonName
    invitation_link: HttpUrl
    expiry_days: ExpiryDays


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=Invitation,
    examples=(
        lambda inviter="Jane Doe", organization="The Velvet Microphone": Invitation(
            inviter_name=inviter, organization_name=organization, invitation_link=EXAMPLE_LINK, expiry_days=7
        ),
    ),
)
