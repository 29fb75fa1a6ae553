"""The rows of people: what flows read of them, and the forms that names and addresses must have."""

import datetime as dt
import re
from typing import Final, Literal, cast
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from singr_auth.accounts._errors import InvalidValueError
from singr_auth.accounts.notices._notices import AccountType, EmailTarget, Notifier
from singr_config.mailboxes import mailbox_of
from singr_config.text import VISIBLE_RULE, has_visible
from singr_db import PlatformSession, Sealer, sql_text

UserStatus = Literal["pending", "active", "disabled", "deleted"]

LONGEST_NAME: Final = 100
LONGEST_EMAIL: Final = 254
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_AROUND: Final = " \t\r\n\u00a0"
"""What people and their keyboards leave around an address: taken off wherever one is given, and nothing else is."""
_SPACES: Final = r"[ \t\r\n\u00a0]*"
EMAIL_PATTERN: Final = rf"^{_SPACES}(?![^@]{{65}}){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*{_SPACES}(?![\s\S])"
"""An address as SMTP carries it (RFC 5321 dot-atom form, ASCII), perhaps with space around; a form for Python and
ECMAScript alike."""
# No control characters, line separators or direction overrides: what splits headers or hides text.
NAME_PATTERN: Final = r"^(?=\s*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+(?![\s\S])"
_EMAIL: Final = re.compile(EMAIL_PATTERN)
_NAME: Final = re.compile(NAME_PATTERN)


class User(msgspec.Struct, frozen=True):
    """A person's row, as flows need it.

    Attributes:
        email: as its owner writes it; "" once deleted.
        email_key: what it is found by; None once deleted.
        password_hash: PHC text; None where the person has no password.
        password_needs_second_factor: it is too short to stand alone.
        role_id: a role on the platform itself, such as admin.
    """

    id: UUID
    account_type: AccountType
    status: UserStatus
    name: str
    email: str
    email_key: str | None
    email_verified_at: dt.datetime | None
    phone_masked: str | None
    phone_verified_at: dt.datetime | None
    password_hash: str | None
    password_changed_at: dt.datetime | None
    password_needs_second_factor: bool
    role_id: UUID | None
    created_at: dt.datetime
    last_sign_in_at: dt.datetime | None
    disabled_at: dt.datetime | None

    def __repr__(self) -> str:
        return f"User({str(self.id)!r}, {self.status!r})"  # logs and tracebacks need no address and no hash

    @property
    def usable(self) -> bool:
        """Whether this account may be signed in to."""
        return self.status == "active"

    @property
    def target(self) -> EmailTarget:
        """Where to write to this person."""
        return EmailTarget(self.email, self.name, self.id)


COLUMNS: Final = ", ".join(User.__struct_fields__).replace(" email,", " coalesce(email, '') AS email,")
"""The columns of a `User`, for statements that return one."""

PHONE_CONTEXT: Final = "users.phone"
"""What phones are sealed and fingerprinted for."""
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_BY_PHONE: Final = sql_text(
    f"""
    SELECT {COLUMNS} FROM users WHERE phone_hash = ANY(:hashes) AND phone_verified_at IS NOT NULL
    ORDER BY phone_verified_at DESC, id DESC LIMIT 1
    """  # noqa: S608 — as below
)
_BY_ID: Final = sql_text(f"SELECT {COLUMNS} FROM users WHERE id = :id")  # noqa: S608 — the columns are ours
_BY_ID_LOCKED: Final = sql_text(f"SELECT {COLUMNS} FROM users WHERE id = :id FOR NO KEY UPDATE")  # noqa: S608 — as above
_BY_EMAIL: Final = sql_text(f"SELECT {COLUMNS} FROM users WHERE email_key = :key")  # noqa: S608 — as above
_BY_EMAIL_LOCKED: Final = sql_text(f"SELECT {COLUMNS} FROM users WHERE email_key = :key FOR NO KEY UPDATE")  # noqa: S608 — as above


async def user_by_id(session: PlatformSession, user_id: UUID, *, lock: bool = False) -> User | None:
    """Read a person's row, deleted ones included; `lock` holds it until the transaction ends."""
    row = (await session.execute(_BY_ID_LOCKED if lock else _BY_ID, {"id": user_id})).mappings().one_or_none()
    return None if row is None else user_of(row)


async def user_by_email(session: PlatformSession, email: str, *, lock: bool = False) -> User | None:
    """Read the row of the person with this address, whatever its status; letters' case does not matter.

    Asks the database also where `email` is no address, so that all unknown ones cost the same.
    """
    key = email_key(email) or ""  # no row has the empty key
    row = (await session.execute(_BY_EMAIL_LOCKED if lock else _BY_EMAIL, {"key": key})).mappings().one_or_none()
    return None if row is None else user_of(row)


def email_subject(email: str) -> str:
    """Return what tries at the account with this address are counted under, whether there is one or not."""
    return f"email:{email_key(email) or ''}"


def mailbox_subject(email: str) -> str:
    """Return what mails to an address that anybody may name are counted under: the mailbox that most likely gets them.

    Accounts are told apart by the address as it is written.
    """
    return f"email:{mailbox_of(email_key(email) or '')}"


def user_of(row: RowMapping) -> User:
    """Make a `User` of a row of `COLUMNS`."""
    return User(**cast("dict[str, object]", dict(row)))  # type: ignore[arg-type] # the columns are those of the struct


async def user_by_phone(session: PlatformSession, sealer: Sealer, phone: str) -> User | None:
    """Read the row of the person who has verified this phone (E.164), and was the last to."""
    hashes = list(sealer.fingerprints(phone, context=PHONE_CONTEXT))
    row = (await session.execute(_BY_PHONE, {"hashes": hashes})).mappings().one_or_none()
    return None if row is None else user_of(row)


def email_key(email: str) -> str | None:
    """Return what an address is found by; None where the text is no address."""
    email = email.strip(_AROUND)
    # "=?" begins an encoded word: a reader that decodes it sees another address than the one that was checked.
    plain = len(email) <= LONGEST_EMAIL and "=?" not in email
    return email.lower() if plain and _EMAIL.match(email) else None


def checked_email(email: str, notifier: Notifier, *, field: str = "email") -> str:
    """Return the address without the space around it.

    For what mail is about to go to. Whoever signs in is found by any address: accounts may have one that was taken
    when less was asked of them.

    Raises:
        InvalidValueError: it is none that mail can be sent to, or none that the notifier can write to.
    """
    bare = formed_email(email, field=field)
    if wrong := notifier.wrong_email(bare):
        raise InvalidValueError(field, wrong, code="malformed")
    return bare


def formed_email(email: str, *, field: str = "email") -> str:
    """Return what has the form of an address, without the space around it.

    Raises:
        InvalidValueError: it has not.
    """
    if email_key(email) is None:
        raise InvalidValueError(
            field,
            "must be an e-mail address such as jane@example.org: in ASCII, without quotation marks or spaces, and with"
            f" no dot at either end, of at most {LONGEST_EMAIL} characters",
            code="malformed",
        )
    return email.strip(_AROUND)


def checked_name(name: str, *, field: str = "name") -> str:
    """Return the name without the space around it.

    Raises:
        InvalidValueError: it is empty, too long, more than one line, or of characters that nobody can see.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not _NAME.match(name):
        raise InvalidValueError(
            field, f"must be one line of 1 to {LONGEST_NAME} characters, without control characters"
        )
    if not has_visible(name):
        raise InvalidValueError(field, VISIBLE_RULE, code="malformed")
    return name


def checked_phone(phone: str, notifier: Notifier, *, field: str = "phone") -> str:
    """Return the phone number without the spaces, hyphens and brackets that people put in.

    Raises:
        InvalidValueError: it is no number in E.164 form, or none that the notifier can write to.
    """
    bare = re.sub(r"[ ()-]", "", phone) if len(phone) <= LONGEST_NAME else phone
    if not _PHONE.fullmatch(bare):
        raise InvalidValueError(field, "must be a phone number in E.164 form, such as +15555550100", code="malformed")
    if wrong := notifier.wrong_phone(bare):
        raise InvalidValueError(field, wrong, code="malformed")
    return bare
