"""A farm was not approved."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl, Title


class FarmRejected(Message, tag="farm_rejected", frozen=True, kw_only=True):
    """A farm was not approved."""

    user_name: PersonName
    farm_name: Title
    reason: Title
    link: HttpUrl


class FarmRejectedSms(Message, tag="farm_rejected", frozen=True, kw_only=True):
    """A farm was not approved."""

    farm_name: Title
    reason: Title
    link: ShortHttpUrl


class FarmRejectedPush(FarmRejectedSms, tag="farm_rejected", frozen=True, kw_only=True):
    """A farm was not approved."""


_REASON: Final = "The photo of your certificate cannot be read"
_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="farms",
    email=FarmRejected,
    sms=FarmRejectedSms,
    push=FarmRejectedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, reason=_REASON: FarmRejected(
            user_name=user, farm_name=farm, reason=reason, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, reason=_REASON: FarmRejectedSms(farm_name=farm, reason=reason, link=EXAMPLE_LINK),
        lambda farm=_FARM, reason=_REASON: FarmRejectedPush(farm_name=farm, reason=reason, link=EXAMPLE_LINK),
    ),
)
