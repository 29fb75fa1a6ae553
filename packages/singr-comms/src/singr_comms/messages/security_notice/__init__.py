"""Something about an account changed, or somebody tried."""

from typing import ClassVar, Final, Literal, TypeAlias

from singr_comms.catalogue import EXAMPLE_LINK, DeviceName, HttpUrl, IpAddress, Message, MessageType, Moment, PersonName

SecurityEvent: TypeAlias = Literal[
    "registration_attempted",
    "new_device",
    "device_trusted",
    "password_changed",
    "password_dropped",
    "email_change_requested",
    "email_changed",
    "email_change_undone",
    "phone_changed",
    "second_factor_added",
    "second_factor_removed",
    "backup_codes_replaced",
    "backup_code_used",
    "passkey_added",
    "passkey_removed",
    "refresh_token_reused",
    "account_locked",
    "account_disabled",
    "account_enabled",
    "sessions_ended",
    "account_deleted",
    "api_key_created",
    "api_key_rotated",
    "api_key_revoked",
    "credentials_revoked",
    "credentials_narrowed",
    "ownership_transferred",
]
"""What a security notice can tell of; the words of each are in ``events.txt``."""


class SecurityNotice(Message, tag="security_notice", frozen=True, kw_only=True):
    """Something about an account changed, or somebody tried: says when, from where, and what to do about it."""

    listed: ClassVar[int] = 90

    user_name: PersonName
    event: SecurityEvent
    occurred_at: Moment
    link: HttpUrl
    ip_address: IpAddress | None = None
    device: DeviceName | None = None


MESSAGE_TYPE: Final = MessageType(
    __name__,
    may_repeat=True,
    concerns_security=True,
    email=SecurityNotice,
    examples=(
        lambda name: SecurityNotice(
            user_name=name,
            event="new_device",
            occurred_at="22 November 2026, 18:05 UTC",
            link=EXAMPLE_LINK,
            ip_address="203.0.113.7",
            device=name,
        ),
        lambda name: SecurityNotice(
            user_name=name, event="password_changed", occurred_at="22 November 2026, 18:05 UTC", link=EXAMPLE_LINK
        ),
    ),
)
