"""What is given and told of a recipient."""

from datetime import datetime, time
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_comms.models._fields import E164, EmailText, GivenLocale, PersonName
from singr_comms.models._locale import canonical_locale
from singr_db.tables import Recipient

MOST_AT_ONCE: Final = 1000
"""Recipients that one call takes."""
MOST_TAGS: Final = 50
_END: Final = r"(?![\s\S])"

# Fit for a path as it is, in any client; `.` and `..` would lead elsewhere.
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=rf"^(?!(?:\.{{1,2}}|import){_END})[A-Za-z0-9._:@+~=|-]+{_END}",
        description="The organization's own id of the person: letters, digits and . _ : @ + ~ = | -, but not `import`",
        examples=["u-17"],
    ),
]
"""An organization's own id of a person."""
Tag = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:-]*{_END}",
        description="Letters, digits and . _ : -",
        examples=["newsletter"],
    ),
]
Tags = Annotated[list[Tag], Meta(max_length=MOST_TAGS)]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64, description="An IANA name.", examples=["Europe/Berlin"])]
LocalTime = Annotated[
    str,
    Meta(pattern=rf"^(?:[01][0-9]|2[0-3]):[0-5][0-9]{_END}", description="On the person's clock.", examples=["22:00"]),
]
# Said here and not in the docstring below, since they are sent by other names than they have.
_Begin = Annotated[LocalTime, Meta(description="From when on, on the person's clock.")]
_End = Annotated[
    LocalTime,
    Meta(
        description="Until when, on the person's clock; on the next day if it is not later than `from`. The same time"
        " as `from` is the whole day: whatever may wait then never gets through at once."
    ),
]
Weekday = Annotated[int, Meta(ge=1, le=7, description="1 is Monday (ISO 8601).")]


class QuietHours(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"starts": "from", "ends": "to"}
):
    """When a person is not to be disturbed, on their own clock; across midnight if the end is before the beginning.

    Args:
        starts: from when on; sent as `from`.
        ends: until when; sent as `to`. The same time as the beginning is the whole day.
        days: the days on which they begin; every day by default.
    """

    starts: _Begin
    ends: _End
    days: Annotated[list[Weekday], Meta(min_length=1, max_length=7)] | None = None


class DigestTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a person's digests come, on their own clock.

    Args:
        at: at what time.
        weekday: the weekday of weekly digests.
    """

    at: LocalTime
    weekday: Weekday | None = None


class DefaultDigestTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The digest time for people who have not chosen one, on their own clock.

    Args:
        at: the time of day; 08:00 by default.
        weekday: the weekday of weekly digests; Monday by default.
    """

    at: LocalTime | None = None
    weekday: Weekday | None = None


class RecipientInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person to store; a field left out is removed.

    Args:
        user_id: their account, as long as they are a member of the organization. Name and address, if left out, are
            then taken from the account; the phone number is not.
        name: the name to address them by.
        email: an e-mail address.
        phone: a phone number in E.164 form.
        locale: the language they are written to in, such as `de-AT`; the organization's by default.
        time_zone: their time zone, such as `Europe/Berlin`.
        tags: for addressing notifications.
        quiet_hours: when they are not to be disturbed.
        digest: when their digests come.
    """

    user_id: UUID | None = None
    name: PersonName | None = None
    email: EmailText | None = None
    phone: E164 | None = None
    locale: GivenLocale | None = None
    time_zone: ZoneName | None = None
    tags: Tags = msgspec.field(default_factory=list)
    quiet_hours: QuietHours | None = None
    digest: DigestTime | None = None


class NamedRecipient(RecipientInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person, with the organization's own id for them."""

    external_id: ExternalId


class RecipientView(msgspec.Struct, frozen=True, kw_only=True):
    """A person whom an organization reaches.

    Attributes:
        id: the id that messages refer to.
        email: masked.
        phone: masked.
        tags: in alphabetical order.
    """

    id: UUID
    external_id: str
    user_id: UUID | None
    name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    tags: tuple[str, ...]
    quiet_hours: QuietHours | None
    digest: DigestTime | None
    created_at: datetime
    updated_at: datetime


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an import.

    Attributes:
        created: people who were added.
        updated: people who were updated.
    """

    created: int
    updated: int


def view_of(row: Recipient, name: str | None) -> RecipientView:
    """A row as it is told."""
    quiet, digest = times_of(row)
    return RecipientView(
        id=row.id,
        external_id=row.external_id,
        user_id=row.user_id,
        name=name,
        email=row.email_masked,
        phone=row.phone_masked,
        locale=row.locale,
        time_zone=row.time_zone,
        tags=tuple(row.tags),
        quiet_hours=quiet,
        digest=digest,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def times_of(row: Any) -> tuple[QuietHours | None, DigestTime | None]:
    """Quiet hours, and the time of digests, as a row has them."""
    quiet = digest = None
    if row.quiet_from is not None and row.quiet_to is not None:
        quiet = QuietHours(starts=clock_text(row.quiet_from), ends=clock_text(row.quiet_to), days=row.quiet_days)
    if row.digest_at is not None:
        digest = DigestTime(at=clock_text(row.digest_at), weekday=row.digest_weekday)
    return quiet, digest


def clock_text(moment: time) -> str:
    """A time of day as it is told."""
    return moment.strftime("%H:%M")


def as_kept(one: NamedRecipient) -> NamedRecipient:
    """A recipient as is kept of them: each tag and day once, in order, and the language as it is written."""
    quiet = one.quiet_hours
    if quiet is not None:
        quiet = QuietHours(starts=quiet.starts, ends=quiet.ends, days=sorted(set(quiet.days)) if quiet.days else None)
    locale = canonical_locale(one.locale) if one.locale else None
    return msgspec.structs.replace(one, locale=locale, tags=sorted(set(one.tags)), quiet_hours=quiet)
