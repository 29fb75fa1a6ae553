"""What is asked for: whom to tell what, by which ways, and when; and what is wrong with it."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_comms._errors import CommsError
from singr_comms.catalogue import INBOX, MessageType, Quiet
from singr_comms.catalogue._given import held
from singr_comms.notifying.digests._joining import Period
from singr_comms.people.recipients._model import ExternalId as _Id
from singr_comms.people.recipients._model import Tag
from singr_config.text import ONE_LINE
from singr_jobs import Priority

T = TypeVar("T")
MOST_NAMED: Final = 1_000
"""So many may be named in one notification; whoever wants to reach more has a topic, tags or all."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""So many bytes may be said to those who have data of their own, by all their channels, the common data with it."""
MOST_HIGH: Final = 100
"""So many named ones may be told with `high` priority."""
MOST_PER_MINUTE: Final = 1_000_000
"""So many recipients a minute are the most that a rate may be."""
BITE: Final = 1_000
"""So many recipients are decided in a transaction."""
_BETWEEN: Final = 10.0
"""Seconds between the bites of one whose rate is limited, but for rounding."""
# Of any form here, though the document tells the one that ids of recipients have, for the reason below.
_FORM: Final = {name: rule for name, rule in msgspec.json.schema(_Id).items() if name == "pattern"}
ExternalId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=_FORM)]
# Of any form: what is wrong with one is told beside all that is wrong with the others.
Written: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4096)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=ONE_LINE, description="One line.")]
# What HTTP and Python take alike: the API decodes by these, and what a caller in Python gives is held against them.
DeduplicationKey: TypeAlias = Key
SOME_WAYS: Final = Meta(min_length=1, max_length=10)
PriorityName: TypeAlias = Literal["high", "normal", "low"]
Rate: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_PER_MINUTE)]
ZonedTime: TypeAlias = Annotated[datetime, Meta(tz=True, examples=["2026-11-22T12:00:00Z"])]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recipient: exactly one of these, and data that replaces the common data for them.

    Attributes:
        recipient: a recipient, by the organization's own id.
        user_id: the recipient with this user account.
        email: a bare address.
        phone: a bare number, in E.164 form.
        device: registration token of a device.
        data: data that differs for this recipient; that and the common data, of all who have some, by each channel, is
            at most 4 MiB in one notification.
    """

    recipient: ExternalId | None = None
    user_id: UUID | None = None
    email: Written | None = None
    phone: Written | None = None
    device: Written | None = None
    data: dict[str, Any] | None = None


class Audience(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of recipients, as it is when their turn comes: exactly one of these.

    Attributes:
        topic: the members of the topic with this key.
        tags: recipients who have all of these tags.
        all: every recipient of the organization.
    """

    topic: Key | None = None
    tags: Annotated[list[Tag], Meta(min_length=1, max_length=20)] | None = None
    all: bool = False


To: TypeAlias = Sequence[Target] | Audience


class NotificationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell; see `notify`. Of what a caller gave it may not have the form: `formed` tells."""

    type: str
    to: To
    channels: Annotated[list[str], SOME_WAYS] | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    send_at: ZonedTime | None = None
    expires_at: ZonedTime | None = None
    deduplication_key: DeduplicationKey | None = None
    replace: bool = False
    per_minute: Rate | None = None
    digest: Period | None = None


def bite_of(per_minute: int | None, *, most: int = BITE) -> int:
    """How many recipients are decided in one go."""
    return most if per_minute is None else min(most, ceil(per_minute * _BETWEEN / 60))


def quiet_of(declared: MessageType, channel: str, priority: int) -> Quiet:
    """What is to become of a message in its reader's quiet hours: what presses, and what is read in an app, passes."""
    is_pressing = declared.mandatory or priority == Priority.HIGH or channel == INBOX
    return "pass" if is_pressing else declared.quiet


def pause_after(decided: int, per_minute: int) -> float:
    """Seconds after which the next recipients are decided."""
    return 60.0 * decided / per_minute


class NotificationFault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where (`to[3].phone`), what would be right, and a code of a fault of a field."""

    field: str
    message: str
    code: str = "invalid"


class InvalidNotificationError(CommsError, ValueError):
    """What was asked for cannot be done, and nothing was stored. `faults` has everything that is wrong."""

    def __init__(self, faults: Sequence[NotificationFault]) -> None:
        super().__init__("; ".join(f"{one.field}: {one.message}" for one in faults))
        self.faults = tuple(faults)


def in_form(given: Any, kind: type[T], path: str) -> T:
    """A value as its type has it; raises InvalidNotificationError with all that is wrong."""
    value: T
    value, wrong = held(given, kind, path)
    if wrong:
        raise InvalidNotificationError([NotificationFault(*one) for one in wrong])
    return value


class NotificationNotFoundError(CommsError, LookupError):
    """There is no such notification in this organization."""

    def __init__(self, notification_id: UUID) -> None:
        super().__init__(f"there is no notification {notification_id} in this organization")
        self.notification_id = notification_id


class NotificationStateError(CommsError):
    """It cannot be done to a notification that stands where this one does."""

    def __init__(self, notification_id: UUID, state: str, message: str) -> None:
        super().__init__(message)
        self.notification_id = notification_id
        self.state = state
