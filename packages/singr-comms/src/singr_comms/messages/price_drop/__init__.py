"""A product costs less than before."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, Amount, Message, MessageType, ShortHttpUrl, Title


class PriceDropPush(Message, tag="price_drop", frozen=True, kw_only=True):
    """A product costs less than before."""

    farm_name: Title
    product_name: Title
    old_price: Amount
    new_price: Amount
    link: ShortHttpUrl


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="marketing",
    quiet="drop",
    push=PriceDropPush,
    examples=(
        lambda farm=_FARM, product="Heirloom Tomatoes": PriceDropPush(
            farm_name=farm, product_name=product, old_price="EUR 4.80", new_price="EUR 3.60", link=EXAMPLE_LINK
        ),
    ),
)
