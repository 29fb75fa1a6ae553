"""Rows of people in memory, by the names of the tables' columns where these are the same."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailAddress
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.notifications._rows import normalized
from singr_comms.people.preferences._frequency import Frequency
from singr_comms.people.recipients._model import NamedRecipient, RecipientView


class MemoryRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """A person; `has_first_address` where they have had one e-mail address, and nobody's account, from the first."""

    id: UUID
    given: NamedRecipient
    last_user_id: UUID | None = None
    copied: tuple[str, ...] = ()
    own_times: tuple[str, ...] = ()
    has_first_address: bool = True
    created_at: datetime
    updated_at: datetime

    @property
    def external_id(self) -> str:
        """The organization's own id of them."""
        return self.given.external_id

    @property
    def user_id(self) -> UUID | None:
        """Their account."""
        return self.given.user_id

    def view(self) -> RecipientView:
        """As they are told."""
        one, email = self.given, self.address(EMAIL.name)
        return RecipientView(
            id=self.id,
            external_id=one.external_id,
            user_id=one.user_id,
            name=one.name,
            email=email and EMAIL.masked(email),
            phone=one.phone and SMS.masked(one.phone),
            locale=one.locale,
            time_zone=one.time_zone,
            tags=tuple(one.tags),
            quiet_hours=one.quiet_hours,
            digest=one.digest,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def address(self, channel: str) -> Any:
        """Where they are reached by a channel other than push; None where they are not."""
        if channel == EMAIL.name:
            return EmailAddress(self.given.email, self.given.name) if self.given.email else None
        return self.given.phone if channel == SMS.name else None

    def ways(self) -> dict[str, str]:
        """The addresses that they have, as they are compared, by channel."""
        reached = {one.name: (one, self.address(one.name)) for one in (EMAIL, SMS)}
        return {name: normalized(one.address(to)) for name, (one, to) in reached.items() if to is not None}


class MemoryTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic, with the ids of its members."""

    id: UUID
    members: frozenset[UUID]
    created_at: datetime


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What choices of both kinds have, by the names of the tables' columns."""

    recipient_id: UUID | None
    scope: str
    name: str | None
    channel: str | None
    source: str
    updated_at: datetime


class MemoryChoice(_Kept, frozen=True, kw_only=True):
    """A choice of what is wanted."""

    allowed: bool


class MemoryFrequency(_Kept, frozen=True, kw_only=True):
    """A choice of how often."""

    frequency: Frequency
