"""What callers send for signing in; what they get is in `admission/browser.py`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.fields import EmailAddress, GivenPassword, OneTimeToken
from singr_auth.accounts import ClientInfo
from singr_config import Secret

HowDelivered = Annotated[
    Delivery,
    Meta(
        description="`body`: tokens in the response body. `cookie`: in cookies that scripts cannot read, for browsers."
    ),
]
DeviceToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="From an earlier sign-in on this device; browsers send it automatically as a cookie.",
        examples=["sdv_3Kd9…"],
    ),
]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """E-mail address and password."""

    email: EmailAddress
    password: GivenPassword
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


class RedeemLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The link's token."""

    token: OneTimeToken
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


def from_device(client: ClientInfo, device_token: str | None) -> ClientInfo:
    """Return the caller with the device token that the body named; without one, with that of the cookie."""
    return client if device_token is None else msgspec.structs.replace(client, device_token=Secret(device_token))
