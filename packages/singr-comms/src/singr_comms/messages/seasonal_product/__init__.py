"""A product is in season again."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, LocalDay, Message, MessageType, ShortHttpUrl, Title


class SeasonalProductPush(Message, tag="seasonal_product", frozen=True, kw_only=True):
    """A product is in season again."""

    farm_name: Title
    product_name: Title
    link: ShortHttpUrl
    available_until: LocalDay | None = None


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="marketing",
    quiet="drop",
    push=SeasonalProductPush,
    examples=(
        lambda farm=_FARM, product="Heirloom Tomatoes": SeasonalProductPush(
            farm_name=farm, product_name=product, link=EXAMPLE_LINK, available_until="2026-12-24"
        ),
        lambda farm=_FARM, product="Heirloom Tomatoes": SeasonalProductPush(
            farm_name=farm, product_name=product, link=EXAMPLE_LINK
        ),
    ),
)
