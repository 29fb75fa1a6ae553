"""What callers send for signing in; what they get is in `admission/browser.py`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.codes import RuleError
from singr_api.http.fields import EmailAddress, GivenPassword, OneTimeToken
from singr_auth.accounts import ClientInfo
from singr_config import Secret

HowDelivered = Annotated[
    Delivery,
    Meta(description="`body`: tokens in the answer. `cookie`: in cookies that no script can read, for browsers."),
]
DeviceToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="What an earlier sign-in on this device answered; browsers send it as a cookie by themselves.",
        examples=["sdv_3Kd9…"],
    ),
]
PhoneNumber = Annotated[
    str, Meta(pattern=r"^\+[1-9][0-9]{6,14}(?![\s\S])", description="E.164.", examples=["+15555550100"])
]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address and password."""

    email: EmailAddress
    password: GivenPassword
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


class AskForLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to send the link: to an address, or to a phone that an account has verified."""

    email: EmailAddress | None = None
    phone: PhoneNumber | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if (self.email is None) == (self.phone is None):
            raise RuleError("conflicting_fields", "send email or phone: one of them")


class RedeemLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the link."""

    token: OneTimeToken
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


def from_device(client: ClientInfo, device_token: str | None) -> ClientInfo:
    """Return the caller with the device token that the body named; without one, with that of the cookie."""
    return client if device_token is None else msgspec.structs.replace(client, device_token=Secret(device_token))
