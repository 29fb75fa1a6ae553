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


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address and password."""

    email: EmailAddress
    password: GivenPassword
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


class RedeemLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the link."""

    token: OneTimeToken
    device_token: DeviceToken | None = None
    delivery: HowDelivered = "body"


def from_device(client: ClientInfo, device_token: str | None) -> ClientInfo:
    """Return the caller with the device token that the body named; without one, with that of the cookie."""
    return client if device_token is None else msgspec.structs.replace(client, device_token=Secret(device_token))
