"""One typed model per message kind: exactly the variables that its template, ours or the provider's, receives.

Decoding checks every bound. Objects made in Python are checked when they are rendered, queued or sent
(:func:`check_email`, :func:`check_sms`), since msgspec does not check constructor arguments.
"""

from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue._fields import (
    E164,
    RULES,
    Code,
    DeviceName,
    EmailText,
    ExpiryDays,
    ExpiryHours,
    ExpiryMinutes,
    HttpUrl,
    IpAddress,
    Moment,
    PersonName,
    PlainText,
    ShortHttpUrl,
    Title,
    Token,
)
from singr_comms.catalogue._words import in_words

_Checked = TypeVar("_Checked")


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Base of all messages; the tag is sent as ``kind``.

    Attributes:
        speaks_for: In whose name it speaks. What speaks for the platform, about people's accounts, is asked for by the
            platform alone; so does every kind that does not say otherwise.
    """

    speaks_for: ClassVar[Literal["platform", "organization"]] = "platform"


class Verification(_Message, tag="verification", frozen=True, kw_only=True):
    """Confirm an e-mail address, by link or by code."""

    user_name: PersonName
    verification_link: HttpUrl
    verification_code: Code
    expiry_hours: ExpiryHours


class EmailChange(_Message, tag="email_change", frozen=True, kw_only=True):
    """Confirm a new address for an account, in the session that asked; the reader may know nothing of it.

    Holds no words of the account's owner: the reader may be a stranger to them. ``account`` is the account's address of
    now, masked (:func:`mask_email`).
    """

    account: EmailText
    new_email: EmailText
    confirm_link: HttpUrl
    code: Code
    expiry_hours: ExpiryHours


class EmailChanged(_Message, tag="email_changed", frozen=True, kw_only=True):
    """An account moved to another address (masked): tells the one of before, with a link that undoes it."""

    user_name: PersonName
    new_email: EmailText
    occurred_at: Moment
    undo_link: HttpUrl
    expiry_days: ExpiryDays
    ip_address: IpAddress | None = None
    device: DeviceName | None = None


class PasswordReset(_Message, tag="password_reset", frozen=True, kw_only=True):
    """Choose a new password."""

    user_name: PersonName
    reset_link: HttpUrl
    expiry_minutes: ExpiryMinutes


class MagicLink(_Message, tag="magic_link", frozen=True, kw_only=True):
    """Sign in by link; names the address that asked for it."""

    user_email: EmailText
    magic_link: HttpUrl
    expiry_minutes: ExpiryMinutes
    ip_address: IpAddress


class TwoFactorCode(_Message, tag="two_factor_code", frozen=True, kw_only=True):
    """A second-factor code."""

    user_name: PersonName
    code: Code
    expiry_minutes: ExpiryMinutes


class Welcome(_Message, tag="welcome", frozen=True, kw_only=True):
    """First message to a new customer or singer."""

    user_name: PersonName
    account_type: Literal["customer", "singer"]
    dashboard_link: HttpUrl


class Invitation(_Message, tag="invitation", frozen=True, kw_only=True):
    """Join an organization."""

    inviter_name: PersonName
    organization_name: PersonName
    invitation_link: HttpUrl
    expiry_days: ExpiryDays


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
"""What a security notice can tell of; the words of each are in ``templates/email/_layout/security_events.txt``."""


class SecurityNotice(_Message, tag="security_notice", frozen=True, kw_only=True):
    """Something about an account changed, or somebody tried: says when, from where, and what to do about it."""

    user_name: PersonName
    event: SecurityEvent
    occurred_at: Moment
    link: HttpUrl
    ip_address: IpAddress | None = None
    device: DeviceName | None = None


class SongRequest(_Message, tag="song_request", frozen=True, kw_only=True):
    """A singer asked a venue for a song."""

    speaks_for: ClassVar[Literal["platform", "organization"]] = "organization"

    venue_name: Title
    artist: Title
    title: Title
    link: HttpUrl
    singer_name: PersonName | None = None


class VerificationCodeSms(_Message, tag="verification_code", frozen=True, kw_only=True):
    """Confirm a phone number."""

    code: Code
    expiry_minutes: ExpiryMinutes


class TwoFactorCodeSms(_Message, tag="two_factor_code", frozen=True, kw_only=True):
    """A second-factor code."""

    code: Code
    expiry_minutes: ExpiryMinutes


class MagicLinkSms(_Message, tag="magic_link", frozen=True, kw_only=True):
    """Sign in by link."""

    magic_link: ShortHttpUrl
    expiry_minutes: ExpiryMinutes


class SongRequestSms(_Message, tag="song_request", frozen=True, kw_only=True):
    """A singer asked a venue for a song."""

    speaks_for: ClassVar[Literal["platform", "organization"]] = "organization"

    venue_name: Title
    artist: Title
    title: Title
    link: ShortHttpUrl
    singer_name: PersonName | None = None


class PlainSms(_Message, tag="plain", frozen=True, kw_only=True):
    """Text as it is."""

    speaks_for: ClassVar[Literal["platform", "organization"]] = "organization"

    text: PlainText


EmailMessage: TypeAlias = (
    Verification
    | EmailChange
    | EmailChanged
    | PasswordReset
    | MagicLink
    | TwoFactorCode
    | Welcome
    | Invitation
    | SecurityNotice
    | SongRequest
)
"""Every e-mail, told apart by ``kind``."""

SmsMessage: TypeAlias = VerificationCodeSms | TwoFactorCodeSms | MagicLinkSms | SongRequestSms | PlainSms
"""Every SMS, told apart by ``kind``."""

CODE_KINDS: Final = frozenset(
    {
        "verification",
        "email_change",
        "email_changed",
        "password_reset",
        "magic_link",
        "two_factor_code",
        "verification_code",
        "invitation",
    }
)
"""Kinds that carry a code or a one-time link: safe to send twice, useless when they never arrive, secret in logs."""

SECURITY_KINDS: Final = frozenset({"security_notice", "email_changed"})
"""Kinds that must reach their reader: no limit per user holds them back, and twice is better than never."""


class EmailAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mailbox.

    Args:
        email: Address, at most 254 ASCII characters.
        name: Display name, or None.
    """

    email: EmailText
    name: PersonName | None = None


class EmailEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail on its way to a provider.

    Args:
        to: The only recipient.
        message: What to say; the provider renders it, or passes its variables to a template of its own.
        idempotency_token: The same on every try of one message; goes out as Message-ID or custom id.
    """

    to: EmailAddress
    message: EmailMessage
    idempotency_token: Token


class SmsEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS on its way to a provider.

    Args:
        to: Phone number in E.164 form.
        message: What to say.
        idempotency_token: The same on every try of one message.
    """

    to: E164
    message: SmsMessage
    idempotency_token: Token


def kind_of(message: EmailMessage | SmsMessage) -> str:
    """Return the message's ``kind``, such as ``song_request``."""
    return str(message.__struct_config__.tag)


def check_email(envelope: EmailEnvelope) -> EmailEnvelope:
    """Check every bound of an envelope that was made in Python.

    Raises:
        InvalidMessageError: Names the first variable that breaks its model.
    """
    envelope = checked(envelope, EmailEnvelope)
    if "=?" in envelope.to.email:
        raise InvalidMessageError("to.email", "must not hold =? (some programs would read another address there)")
    return envelope


def check_sms(envelope: SmsEnvelope) -> SmsEnvelope:
    """As :func:`check_email`, for an SMS."""
    return checked(envelope, SmsEnvelope)


def checked(value: object, model: type[_Checked]) -> _Checked:
    """Return ``value`` as its model accepts it.

    Raises:
        InvalidMessageError: Names the first variable that breaks the model.
    """
    try:
        return _decoder(model).decode(msgspec.json.encode(value))
    except msgspec.ValidationError as error:
        raise invalid_message(error) from None
    except (UnicodeEncodeError, TypeError, OverflowError, RecursionError):
        field = _unwritable(value)
        raise InvalidMessageError(field, "holds a value that cannot be written as JSON in UTF-8") from None


def _unwritable(value: object) -> str:
    """The path of the first field that JSON cannot hold, such as half a character; empty for the whole."""
    if not isinstance(value, msgspec.Struct):
        return ""
    for name, held in msgspec.structs.asdict(value).items():
        try:
            msgspec.json.encode(held)
        except (UnicodeEncodeError, TypeError, OverflowError, RecursionError):
            inner = _unwritable(held)
            return f"{name}.{inner}" if inner else name
    return ""


def invalid_message(error: msgspec.ValidationError) -> InvalidMessageError:
    """Turn a msgspec error into ours: the path becomes the field."""
    text, _, path = str(error).partition(" - at `$")
    _, expected, pattern = text.partition("matching regex ")
    if expected:
        known = (rule for known, rule in RULES.items() if pattern in {f"'{known}'", f'"{known}"', repr(known)})
        text = next(known, "does not have the expected form")
    else:
        text = in_words(text)
    return InvalidMessageError(path.rstrip("`").lstrip("."), text)


_decoders: Final[dict[type, msgspec.json.Decoder[Any]]] = {}


def _decoder(model: type[_Checked]) -> msgspec.json.Decoder[_Checked]:
    try:
        return _decoders[model]
    except KeyError:
        return _decoders.setdefault(model, msgspec.json.Decoder(model))
