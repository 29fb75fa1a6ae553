"""What callers send and get for passwords."""

from typing import Literal

import msgspec

from singr_api.http.fields import GivenPassword, NewPassword, OneTimeToken
from singr_api.identity.shared import DeviceToken


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the link in the mail, and a new password."""

    token: OneTimeToken
    password: NewPassword


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The current password and a new one."""

    current_password: GivenPassword
    new_password: NewPassword
    device_token: DeviceToken | None = None


class PasswordSet(msgspec.Struct, frozen=True):
    """The new password is in force."""

    status: Literal["password_changed"] = "password_changed"
