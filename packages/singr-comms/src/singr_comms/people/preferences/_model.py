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
        scope: what it applies to: `all`, a `category` of messages, or one `type`.
        name: the name of the category or type; none for `all`.
        channel: the channel; all channels by default.
        allowed: whether such messages are wanted; null clears the choice.
    """

    scope: Scope
    allowed: bool | None
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    channel: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class FrequencyChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice of frequency.

    Attributes:
        scope: what it applies to: `all`, a `category` of messages, or one `type`.
        name: the name of the category or type; none for `all`.
        channel: the channel that it would be sent through at once; all channels by default.
        frequency: `immediate` is at once; `daily` and `weekly` collect messages in one mail per day or week. Null
            clears the choice, and leaves it to the sender again.
    """

    scope: Scope
    frequency: Frequency | None
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    channel: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class KeptChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A stored choice.

    Attributes:
        source: who made it: the `organization`, through a caller; the `recipient`, signed in; the holder of a `link`
            from a mail to them; or a click on a mail program's `unsubscribe`.
    """

    scope: Scope
    name: str | None
    channel: str | None
    allowed: bool
    source: Source
    updated_at: datetime


class KeptFrequency(msgspec.Struct, frozen=True, kw_only=True):
    """A stored choice of frequency.

    Attributes:
        source: who made it, as for other choices.
    """

    scope: Scope
    name: str | None
    channel: str | None
    frequency: Frequency
    source: Source
    updated_at: datetime


class ChannelPreference(msgspec.Struct, frozen=True):
    """Whether messages are sent through a channel, and how often.

    Attributes:
        rule: what decides: `mandatory`; a choice of the `recipient:` or the `organization:` for `type+channel`,
            `category+channel`, `type`, `category`, `channel` or `all`; `type`, its own default; or `suppression`: the
            address was unsubscribed from the category, until whoever is known to read its mail switches it on.
        frequency: whether messages are sent at once (`immediate`) or collected in one mail per day or week; null if
            nobody chose, so that the sender decides, or if the type must not wait.
        frequency_rule: what decides the frequency: a choice of the `recipient:` or the `organization:`, as in `rule`.
    """

    channel: str
    allowed: bool
    rule: str
    frequency: Frequency | None = None
    frequency_rule: str | None = None


class TypePreference(msgspec.Struct, frozen=True):
    """The preference for messages of a type, by channel.

    Attributes:
        mandatory: whether it cannot be switched off.
    """

    type: str
    category: str
    mandatory: bool
    channels: tuple[ChannelPreference, ...]


class CategoryPreference(msgspec.Struct, frozen=True):
    """The preference for messages of a category, by channel, except for types that have a choice of their own."""

    category: str
    channels: tuple[ChannelPreference, ...]


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of a person, or of an organization as its defaults, and what they result in.

    Attributes:
        recipient: the organization's own id of the person; null for the organization's defaults.
        choices: the choices of the recipient, or of the organization; anything else is unset.
        frequencies: likewise, for frequencies.
        categories: the categories of the types below that can be switched off.
        types: the types that the organization can send.
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
