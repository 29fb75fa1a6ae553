"""What callers send and get for sessions."""

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.fields import ChallengeToken, Code
from singr_api.identity.shared import DeviceToken
from singr_auth.accounts import PasskeyAssertion

RefreshToken = Annotated[
    str, Meta(min_length=1, max_length=200, description="Left out by browsers, which send it as a cookie.")
]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token, or nothing if it is sent as a cookie.

    Attributes:
        delivery: how the next tokens are returned.
    """

    refresh_token: RefreshToken | None = None
    delivery: Delivery = "body"


class SignOutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token of the session to end, if no valid access token identifies it."""

    refresh_token: RefreshToken | None = None


class SignOutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to end.

    Attributes:
        keep: `current` keeps the session that sends this request.
    """

    keep: Literal["current"] | None = None


class SignedOutEverywhere(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    ended: int


class SendCodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The method to send a code with."""

    challenge_token: ChallengeToken
    method: Literal["sms", "email", "verify"]
    device_token: DeviceToken | None = None


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method"):
    """The second step of a sign-in.

    Attributes:
        remember_device: this device needs no second factor from now on.
        delivery: how the tokens are handed over.
    """

    challenge_token: ChallengeToken
    remember_device: bool = False
    device_token: DeviceToken | None = None
    delivery: Delivery = "body"


class ByCode(SecondFactor, frozen=True, kw_only=True):
    """Any that is a code."""

    code: Code


class TotpFactor(ByCode, frozen=True, tag="totp"):
    """A code from an authenticator app."""


class SmsFactor(ByCode, frozen=True, tag="sms"):
    """A code sent by SMS."""


class EmailFactor(ByCode, frozen=True, tag="email"):
    """A code sent by e-mail."""


class VerifyFactor(ByCode, frozen=True, tag="verify"):
    """A code sent by the verification service."""


class BackupCodeFactor(ByCode, frozen=True, tag="backup_code"):
    """A backup code, valid once."""


class PasskeyFactor(SecondFactor, frozen=True, kw_only=True, tag="passkey"):
    """The passkey's response to the options from `POST /v1/auth/second-factor/passkey`."""

    credential: PasskeyAssertion


class PasswordFactor(SecondFactor, frozen=True, kw_only=True, tag="password"):
    """The account's password, if the first step used the only other channel that it has."""

    password: Password


CodeFactor: TypeAlias = TotpFactor | SmsFactor | EmailFactor | VerifyFactor | BackupCodeFactor
SecondFactorBody: TypeAlias = CodeFactor | PasskeyFactor | PasswordFactor


class PasswordProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="password"):
    """The account's password."""

    password: Password


class TotpProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="totp"):
    """A code from the authenticator app."""

    code: Code


class BackupCodeProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="backup_code"):
    """A backup code, valid once."""

    code: Code


class PasskeyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="passkey"):
    """The passkey's response to the options from `POST /v1/auth/reauthenticate/passkey`."""

    credential: PasskeyAssertion


ReauthenticateBody: TypeAlias = PasswordProof | TotpProof | BackupCodeProof | PasskeyProof


class Reauthenticated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Presence was proved.

    Attributes:
        expires_in: for how many seconds changes that require a fresh proof are allowed.
        backup_codes_left: how many are left, if one was used.
    """

    authenticated_at: dt.datetime
    expires_in: int
    backup_codes_left: int | None = None
