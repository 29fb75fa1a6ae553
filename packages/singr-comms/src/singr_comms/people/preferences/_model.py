"""What people choose, and what comes of it, as callers send and see it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_comms._errors import CommsError
from singr_comms.people._errors import PersonFault
from singr_comms.people.preferences._frequency import Frequency

Scope = Literal["all", "category", "type"]
Source = Literal["organization", "recipient", "link", "unsubscribe"]
MOST_CHOICES = 200
"""How many of each kind are taken at once."""


class PreferenceChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice.

    Attributes:
        scope: what it is about: `all`, a `category` of messages, or one `type`.
        name: of the category or type; none for `all`.
        channel: by which way; none is every way.
        allowed: whether such messages are wanted; null takes the choice back, and leaves it open again.
    """

    scope: Scope
    allowed: bool | None
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    channel: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class FrequencyChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice of how often.

    Attributes:
        scope: what it is about: `all`, a `category` of messages, or one `type`.
        name: of the category or type; none for `all`.
        channel: by which way it would come at once; none is every way.
        frequency: `immediate` is at once; `daily` and `weekly` are one mail a day or a week with all that came. Null
            takes the choice back, and leaves it to the sender again.
    """

    scope: Scope
    frequency: Frequency | None
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    channel: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class KeptChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A choice that stands.

    Attributes:
        source: who made it: a caller of the `organization`, the `recipient` signed in, whoever has a `link` of their
            mail, or one click on what mail programs show to `unsubscribe`.
    """

    scope: Scope
    name: str | None
    channel: str | None
    allowed: bool
    source: Source
    updated_at: datetime


class KeptFrequency(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of how often that stands.

    Attributes:
        source: who made it, as of other choices.
    """

    scope: Scope
    name: str | None
    channel: str | None
    frequency: Frequency
    source: Source
    updated_at: datetime


class ChannelPreference(msgspec.Struct, frozen=True):
    """Whether messages go by a channel, and how often.

    Attributes:
        rule: what decides it: `mandatory`, what the `recipient:` or the `organization:` chose of `type+channel`,
            `category+channel`, `type`, `category`, `channel` or `all`; or `type`, its own default.
        frequency: whether it goes at once (`immediate`) or is kept for one mail a day or a week; null where nobody
            chose, and the sender says, or where it may not wait.
        frequency_rule: what decides that: what the `recipient:` or the `organization:` chose, as in `rule`.
    """

    channel: str
    allowed: bool
    rule: str
    frequency: Frequency | None = None
    frequency_rule: str | None = None


class TypePreference(msgspec.Struct, frozen=True):
    """What becomes of messages of a type, by channel.

    Attributes:
        mandatory: nobody can switch it off.
    """

    type: str
    category: str
    mandatory: bool
    channels: tuple[ChannelPreference, ...]


class CategoryPreference(msgspec.Struct, frozen=True):
    """What becomes of messages of a category, by channel, but for types that something else is chosen for."""

    category: str
    channels: tuple[ChannelPreference, ...]


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody chose, and what that comes to with their organization's defaults; of these, what all others have.

    Attributes:
        recipient: the organization's own id of the person; null of the organization's defaults.
        choices: those of the recipient, or of the organization; what is not among them is open.
        frequencies: likewise, of how often.
        categories: of the types below, those that can be switched off.
        types: those that the organization can send.
    """

    recipient: str | None
    choices: tuple[KeptChoice, ...]
    frequencies: tuple[KeptFrequency, ...]
    categories: tuple[CategoryPreference, ...]
    types: tuple[TypePreference, ...]


class PreferenceError(CommsError, ValueError):
    """Some choices cannot be kept, and none was.

    Attributes:
        faults: all that is wrong with them.
    """

    def __init__(self, faults: Sequence[PersonFault]) -> None:
        super().__init__("; ".join(f"{one.field} {one.message}" for one in faults))
        self.faults = tuple(faults)
