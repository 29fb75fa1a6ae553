"""A customer reviewed a farm or one of its products."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, Message, MessageType, PersonName, Rating, ShortHttpUrl, Title


class NewReviewSms(Message, tag="new_review", frozen=True, kw_only=True):
    """A customer reviewed a farm or one of its products."""

    farm_name: Title
    reviewer_name: PersonName
    rating: Rating
    link: ShortHttpUrl
    product_name: Title | None = None


class NewReviewPush(NewReviewSms, tag="new_review", frozen=True, kw_only=True):
    """A customer reviewed a farm or one of its products."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="reviews",
    quiet="digest",
    sms=NewReviewSms,
    push=NewReviewPush,
    examples=(
        lambda farm=_FARM, reviewer="Jane Doe", product="Heirloom Tomatoes": NewReviewSms(
            farm_name=farm, reviewer_name=reviewer, rating=5, link=EXAMPLE_LINK, product_name=product
        ),
        lambda farm=_FARM, reviewer="Jane Doe": NewReviewSms(
            farm_name=farm, reviewer_name=reviewer, rating=5, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, reviewer="Jane Doe", product="Heirloom Tomatoes": NewReviewPush(
            farm_name=farm, reviewer_name=reviewer, rating=5, link=EXAMPLE_LINK, product_name=product
        ),
        lambda farm=_FARM, reviewer="Jane Doe": NewReviewPush(
            farm_name=farm, reviewer_name=reviewer, rating=5, link=EXAMPLE_LINK
        ),
    ),
)
