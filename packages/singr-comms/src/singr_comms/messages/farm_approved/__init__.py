"""A farm was approved."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl, Title


class FarmApproved(Message, tag="farm_approved", frozen=True, kw_only=True):
    """A farm was approved."""

    user_name: PersonName
    farm_name: Title
    link: HttpUrl


class FarmApprovedSms(Message, tag="farm_approved", frozen=True, kw_only=True):
    """A farm was approved."""

    farm_name: Title
    link: ShortHttpUrl


class FarmApprovedPush(FarmApprovedSms, tag="farm_approved", frozen=True, kw_only=True):
    """A farm was approved."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="farms",
    email=FarmApproved,
    sms=FarmApprovedSms,
    push=FarmApprovedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM: FarmApproved(user_name=user, farm_name=farm, link=EXAMPLE_LINK),
        lambda farm=_FARM: FarmApprovedSms(farm_name=farm, link=EXAMPLE_LINK),
        lambda farm=_FARM: FarmApprovedPush(farm_name=farm, link=EXAMPLE_LINK),
    ),
)
