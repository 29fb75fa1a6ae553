"""A product is running low."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, Count, Message, MessageType, ShortHttpUrl, Title


class LowStockAlertSms(Message, tag="low_stock_alert", frozen=True, kw_only=True):
    """A product is running low."""

    farm_name: Title
    product_name: Title
    stock_left: Count
    link: ShortHttpUrl


class LowStockAlertPush(LowStockAlertSms, tag="low_stock_alert", frozen=True, kw_only=True):
    """A product is running low."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="stock",
    sms=LowStockAlertSms,
    push=LowStockAlertPush,
    examples=(
        lambda farm=_FARM, product="Heirloom Tomatoes": LowStockAlertSms(
            farm_name=farm, product_name=product, stock_left=3, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, product="Heirloom Tomatoes": LowStockAlertPush(
            farm_name=farm, product_name=product, stock_left=3, link=EXAMPLE_LINK
        ),
    ),
)
