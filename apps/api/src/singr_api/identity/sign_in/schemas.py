"""What callers send for signing in; what they get is in `admission/browser.py`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.fields import EmailAddress, GivenPassword, OneTimeToken
from singr_api.identity.shared import DeviceToken

HowDelivered = Annotated[
    Delivery,
    Meta(
        description="`body`: tokens in the response body. `cookie`: in cookies that scripts cannot read, for browsers."
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
