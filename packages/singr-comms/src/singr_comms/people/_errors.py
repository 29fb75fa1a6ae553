"""What can be wrong with people that are to be reached."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError


class PersonFault(msgspec.Struct, frozen=True):
    """What is wrong with one field.

    Args:
        field: its path in what was given, such as `recipients[3].phone`.
        message: what would be right; follows the field's name.
        code: as `errors[]` of the HTTP API has it.
    """

    field: str
    message: str
    code: Literal[
        "malformed",
        "unknown_value",
        "repeated",
        "taken",
        "not_found",
        "invalid",
        "too_many_items",
        "required",
        "conflicting_fields",
        "out_of_range",
    ]


class PeopleError(CommsError, ValueError):
    """What was given cannot be kept, and nothing of it was.

    Attributes:
        faults: all that is wrong with it.
    """

    def __init__(self, *faults: PersonFault) -> None:
        super().__init__("; ".join(f"{one.field} {one.message}" for one in faults))
        self.faults = faults


class RecipientNotFoundError(CommsError, LookupError):
    """This organization has no such recipient.

    Args:
        field: by what they were named.
    """

    def __init__(self, field: str = "recipient") -> None:
        super().__init__("This organization has no such recipient")
        self.field = field


class DeviceNotFoundError(CommsError, LookupError):
    """This recipient has no such device."""

    def __init__(self) -> None:
        super().__init__("this recipient has no such device")


class TopicInUseError(CommsError):
    """Notifications have yet to reach the members of a topic, which is to be removed.

    Attributes:
        notification_ids: which, the oldest first, ten at most.
    """

    def __init__(self, notification_ids: Sequence[UUID]) -> None:
        ids = ", ".join(map(str, notification_ids))
        super().__init__(f"notifications have yet to reach this topic's members; let them, or cancel them: {ids}")
        self.notification_ids = tuple(notification_ids)


class TopicNotFoundError(CommsError, LookupError):
    """This organization has no such topic."""

    def __init__(self) -> None:
        super().__init__("this organization has no such topic")
