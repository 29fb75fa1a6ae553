"""A parcel waits at a shop."""

from typing import Final

from singr_comms.catalogue import EXAMPLE_LINK, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl, Title


class ParcelReady(Message, tag="parcel_ready", frozen=True, kw_only=True):
    """A parcel waits at a shop."""

    user_name: PersonName
    shop: Title
    link: HttpUrl


class ParcelReadySms(Message, tag="parcel_ready", frozen=True, kw_only=True):
    """A parcel waits at a shop."""

    shop: Title
    link: ShortHttpUrl


class ParcelReadyPush(ParcelReadySms, tag="parcel_ready", frozen=True, kw_only=True):
    """A parcel waits at a shop; an app's inbox shows the same."""


def _mail(user: str = "Jane", shop: str = "The Corner Shop") -> ParcelReady:
    return ParcelReady(user_name=user, shop=shop, link=EXAMPLE_LINK)


def _sms(shop: str = "The Corner Shop") -> ParcelReadySms:
    return ParcelReadySms(shop=shop, link=EXAMPLE_LINK)


def _push(shop: str = "The Corner Shop") -> ParcelReadyPush:
    return ParcelReadyPush(shop=shop, link=EXAMPLE_LINK)


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",  # a second one sends somebody to the shop for a second parcel
    speaks_for="organization",
    category="parcels",
    category_names={"en": "parcels", "de": "Pakete"},
    email=ParcelReady,
    sms=ParcelReadySms,
    push=ParcelReadyPush,
    examples=(_mail, _sms, _push),
)
