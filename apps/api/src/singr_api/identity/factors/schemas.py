"""What callers send and get for second factors, devices and phone numbers."""

from typing import Literal

import msgspec

from singr_api.http.fields import Code
from singr_api.identity.shared import PhoneNumber
from singr_auth.accounts import DeviceView


class EnrolmentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to show the secret.

    Attributes:
        qr: the format of the QR code.
    """

    qr: Literal["svg", "png"] = "svg"


class TotpSecret(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an authenticator app needs. Shown once; active when a code from it is confirmed.

    Attributes:
        secret: in base 32, for typing.
        provisioning_uri: the content of the QR code.
        qr_svg: the QR code, as an SVG document.
        qr_png: the QR code, as a data URI.
        expires_in: seconds within which it must be confirmed with a code.
    """

    secret: str
    provisioning_uri: str
    expires_in: int
    qr_svg: str | None = None
    qr_png: str | None = None


class CodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code."""

    code: Code


class FactorAdded(msgspec.Struct, frozen=True):
    """A second factor was added.

    Attributes:
        backup_codes: ten, with the first factor only; shown once.
    """

    method: Literal["totp", "sms", "email", "verify"]
    backup_codes: tuple[str, ...]


class NewBackupCodes(msgspec.Struct, frozen=True):
    """Ten codes, shown once; each is valid once. Earlier ones no longer work."""

    backup_codes: tuple[str, ...]


class DeviceList(msgspec.Struct, frozen=True):
    """Known devices, most recently used first; at most 100."""

    items: tuple[DeviceView, ...]


class PhoneBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phone number."""

    phone: PhoneNumber


class VerifiedPhone(msgspec.Struct, frozen=True):
    """The number that is verified, masked."""

    phone: str


class FactorsReset(msgspec.Struct, frozen=True):
    """What was removed."""

    removed: tuple[str, ...]
