"""What a caller gives of people, held against the types by which HTTP decodes the same."""

from typing import Any, TypeVar

from singr_comms.catalogue._given import held
from singr_comms.people._errors import PeopleError, PersonFault

T = TypeVar("T")


def formed(given: Any, kind: Any, path: str = "") -> tuple[Any, list[PersonFault]]:
    """A value as its type has it, and what is wrong with it; where anything is, it is as it was given."""
    value, wrong = held(given, kind, path)
    return value, [PersonFault(*one) for one in wrong]


def in_form(given: Any, kind: type[T], path: str = "") -> T:
    """A value as its type has it; raises PeopleError with all that is wrong."""
    value: T
    value, faults = formed(given, kind, path)
    if faults:
        raise PeopleError(*faults)
    return value
