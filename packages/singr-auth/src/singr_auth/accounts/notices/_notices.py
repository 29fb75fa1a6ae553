"""What accounts have to tell people, and the port through which they do.

Auth delivers nothing itself. It hands each notice to a `Notifier` inside the transaction that gives rise to it, so a
message goes out exactly when the change is committed. Notices carry secrets (links' tokens, codes): a notifier seals
them at once and lets nothing of them reach a log or a queue.
"""

import datetime as dt
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from singr_config import HoldsSecrets, Secret
from singr_config.constants import SecurityEvent
from singr_db import PlatformSession, TenantSession

AccountType = Literal["customer", "singer"]
SecurityEventName: TypeAlias = SecurityEvent
"""Changes that their owner is told of, whoever made them."""


class EmailTarget(msgspec.Struct, frozen=True):
    """An e-mail address with its owner, where there is one."""

    email: str
    name: str
    user_id: UUID | None = None


class VerifyEmail(HoldsSecrets, frozen=True):
    """Confirm an address: by link or by the code, which is no part of the link."""

    to: EmailTarget
    token: Secret
    code: Secret
    expires_in: int


class ConfirmNewEmail(HoldsSecrets, frozen=True):
    """Confirm a new address for an account, in the session that asked for it: the reader may know nothing of it.

    Attributes:
        account: the account's address of now, masked.
    """

    to: EmailTarget
    account: str
    token: Secret
    code: Secret
    expires_in: int


class EmailMoved(HoldsSecrets, frozen=True):
    """The account has another address now: told to the one of before, with a link that takes it back.

    Attributes:
        new_email: masked.
    """

    to: EmailTarget
    new_email: str
    token: Secret
    expires_in: int
    occurred_at: dt.datetime
    address: str | None = None
    device: str | None = None


class ResetPassword(HoldsSecrets, frozen=True):
    """Choose a new password."""

    to: EmailTarget
    token: Secret
    expires_in: int


class ResetPasswordBySms(HoldsSecrets, frozen=True):
    """Choose a new password, by a link on the verified phone (E.164) of an account."""

    phone: str
    user_id: UUID
    token: Secret
    expires_in: int


class MagicLinkByEmail(HoldsSecrets, frozen=True):
    """Sign in by link; says which address asked."""

    to: EmailTarget
    token: Secret
    expires_in: int
    address: str


class MagicLinkBySms(HoldsSecrets, frozen=True):
    """Sign in by link on a phone (E.164)."""

    phone: str
    user_id: UUID
    token: Secret
    expires_in: int


class CodeByEmail(HoldsSecrets, frozen=True):
    """A second-factor code."""

    to: EmailTarget
    code: Secret
    expires_in: int


class CodeBySms(HoldsSecrets, frozen=True):
    """A second-factor code (`purpose` second_factor), or one that confirms the phone itself (`phone`)."""

    phone: str
    user_id: UUID
    code: Secret
    expires_in: int
    purpose: Literal["second_factor", "phone"]


class WelcomeUser(msgspec.Struct, frozen=True):
    """The first message after an address was verified."""

    to: EmailTarget
    account_type: AccountType


class InvitePerson(HoldsSecrets, frozen=True):
    """Join an organization."""

    to: EmailTarget
    organization_id: UUID
    organization_name: str
    inviter_name: str
    token: Secret
    expires_in: int


class SecurityNotice(msgspec.Struct, frozen=True):
    """Something about the account changed; tells when, and from where as far as known."""

    to: EmailTarget
    event: SecurityEventName
    occurred_at: dt.datetime
    address: str | None = None
    device: str | None = None


Notice: TypeAlias = (
    VerifyEmail
    | ConfirmNewEmail
    | EmailMoved
    | ResetPassword
    | ResetPasswordBySms
    | MagicLinkByEmail
    | MagicLinkBySms
    | CodeByEmail
    | CodeBySms
    | WelcomeUser
    | InvitePerson
    | SecurityNotice
)


class Notifier(Protocol):
    """Delivers notices; apps make one of `singr_comms` or of whatever they send with."""

    async def notify(self, session: PlatformSession | TenantSession, notice: Notice) -> None:
        """Queue the message in the caller's transaction; it goes out exactly when that commits."""

    def wrong_email(self, email: str) -> str | None:
        """Tell what is wrong with an address that is well written: that no mail can reach its domain.

        It is asked wherever somebody gives an address that mail is about to go to.

        Returns:
            What follows the field's name, such as "must be ..."; None where mails can go there.
        """

    def wrong_phone(self, phone: str) -> str | None:
        """Tell what is wrong with a phone number of the form of E.164, and what would be right.

        It is asked wherever somebody gives a number. One number that could be written in several ways would be
        counted as several, and verified by several people: only one way to write it may pass.

        Returns:
            What follows the field's name, such as "must be ..."; None where messages can go there.
        """


class PhoneVerifier(Protocol):
    """A service that sends and checks codes by itself (Twilio Verify); called outside any transaction."""

    async def start(self, phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        """Send a code to a phone (E.164); raises whatever says that it could not."""

    async def check(self, phone: str, code: str) -> bool:
        """Tell whether this is the code that was sent last, once."""
