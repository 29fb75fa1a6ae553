"""What several capabilities of people's accounts take, answer, show and are guarded by."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_api.http.fields import END, EmailAddress
from singr_api.http.pages import PageOf
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer
from singr_auth.accounts import ClientInfo, SecurityEventView, SessionView
from singr_config import Secret

# The limits that stay shut while they cannot be counted, in words (`closed` of a policy).
PASSWORD_TRIES: Final = (
    "5 attempts per minute for each account and 50 per client address; longer waits from the tenth attempt on."  # noqa: S105 — a limit, in words
)
PERSON_TRIES: Final = "10 in 15 minutes for each person."
SECOND_STEP_TRIES: Final = f"5 attempts for each sign-in, {PERSON_TRIES}"
CODE_MESSAGES: Final = "5 messages per hour for each person."
MAILS: Final = "5 per hour for each requested address, 50 per client address."

PhoneNumber = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=rf"^\+[0-9 ()-]{{6,39}}{END}",
        description="E.164; spaces, hyphens and brackets are ignored.",
        examples=["+15555550100"],
    ),
]
"""As people write it; the flows that take it make it one, or refuse what is none."""


DeviceToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="From an earlier sign-in on this device, with each step of the next one; browsers send it"
        " automatically as a cookie.",
        examples=["sdv_3Kd9…"],
    ),
]


class AddressOnly(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that may or may not have an account."""

    email: EmailAddress


class EmailOrPhone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to send the link: to an address, or to a verified phone number of an account."""

    email: EmailAddress | None = None
    phone: PhoneNumber | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        if (self.email is None) == (self.phone is None):
            raise RuleError("conflicting_fields", "send either email or phone")


class Accepted(msgspec.Struct, frozen=True):
    """Accepted. The owner of the address learns the outcome from a message."""

    status: Literal["accepted"] = "accepted"


class CodeSent(msgspec.Struct, frozen=True):
    """A code was sent; it replaces the previous one.

    Attributes:
        expires_in: seconds until it expires.
    """

    expires_in: int


class SessionList(msgspec.Struct, frozen=True):
    """Active sessions, most recently used first; at most 200."""

    items: tuple[SessionView, ...]


class SecurityEventPage(PageOf[SecurityEventView], frozen=True):
    """Some security events, newest first."""


def from_device(client: ClientInfo, device_token: str | None) -> ClientInfo:
    """Return the caller with the device token that the body names; else it keeps that of the header or the cookie."""
    return client if device_token is None else msgspec.structs.replace(client, device_token=Secret(device_token))


ACCEPTED: Final = Answer(
    "Accepted, whether or not the address has an account: its owner learns the outcome from a message.",
    status=202,
    accepted=Example("Always the same response", {"status": "accepted"}),
)
CHALLENGE: Final = "sch_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
REFRESH: Final = "srt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
SIGNED_IN: Final[dict[str, Any]] = {
    "status": "signed_in",
    "session_id": "019ab2c0-7f00-7000-8000-000000000005",
    "expires_in": 900,
    "refresh_expires_in": 604_800,
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "refresh_token": REFRESH,
}
SESSION: Final[dict[str, Any]] = {
    "id": SIGNED_IN["session_id"],
    "current": True,
    "device": "Firefox on Linux",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "address": "203.0.113.7",
    "methods": ["pwd", "otp", "mfa"],
    "authenticated_at": "2026-11-22T12:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "last_used_at": "2026-11-22T12:14:00Z",
    "expires_at": "2026-11-29T12:14:00Z",
}
