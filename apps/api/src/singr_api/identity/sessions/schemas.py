"""What callers send and get for sessions."""

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from singr_api.admission.browser import Delivery
from singr_api.http.fields import ChallengeToken, Code
from singr_auth.accounts import PasskeyAssertion

RefreshToken = Annotated[
    str, Meta(min_length=1, max_length=200, description="Left out by browsers, which send it as a cookie.")
]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token, or nothing where it comes as a cookie.

    Attributes:
        delivery: how the next tokens are handed over.
    """

    refresh_token: RefreshToken | None = None
    delivery: Delivery = "body"


class SignOutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token of the session to end, where no access token in force tells which."""

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
    """Which way to send a code."""

    challenge_token: ChallengeToken
    method: Literal["sms", "email", "verify"]


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method"):
    """The second step of a sign-in.

    Attributes:
        remember_device: this device needs no second factor from now on.
        delivery: how the tokens are handed over.
    """

    challenge_token: ChallengeToken
    remember_device: bool = False
    delivery: Delivery = "body"


class ByCode(SecondFactor, frozen=True, kw_only=True):
    """Any that is a code."""

    code: Code


class TotpFactor(ByCode, frozen=True, tag="totp"):
    """A code of an authenticator app."""


class SmsFactor(ByCode, frozen=True, tag="sms"):
    """A code that was sent as a text message."""


class EmailFactor(ByCode, frozen=True, tag="email"):
    """A code that was sent by e-mail."""


class VerifyFactor(ByCode, frozen=True, tag="verify"):
    """A code that the verification service sent."""


class BackupCodeFactor(ByCode, frozen=True, tag="backup_code"):
    """A backup code, which is good once."""


class PasskeyFactor(SecondFactor, frozen=True, kw_only=True, tag="passkey"):
    """A passkey's answer to the options of `POST /v1/auth/second-factor/passkey`."""

    credential: PasskeyAssertion


class PasswordFactor(SecondFactor, frozen=True, kw_only=True, tag="password"):
    """The account's password, where the first step came by the only other channel that it has."""

    password: Password


CodeFactor: TypeAlias = TotpFactor | SmsFactor | EmailFactor | VerifyFactor | BackupCodeFactor
SecondFactorBody: TypeAlias = CodeFactor | PasskeyFactor | PasswordFactor


class PasswordProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="password"):
    """The account's password."""

    password: Password


class TotpProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="totp"):
    """A code of the authenticator app."""

    code: Code


class BackupCodeProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="backup_code"):
    """A backup code, which is good once."""

    code: Code


class PasskeyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="passkey"):
    """A passkey's answer to the options of `POST /v1/auth/reauthenticate/passkey`."""

    credential: PasskeyAssertion


ReauthenticateBody: TypeAlias = PasswordProof | TotpProof | BackupCodeProof | PasskeyProof


class Reauthenticated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Presence was proved.

    Attributes:
        expires_in: seconds for which changes that want a fresh proof are admitted.
        backup_codes_left: how many there are still, where one was used.
    """

    authenticated_at: dt.datetime
    expires_in: int
    backup_codes_left: int | None = None
