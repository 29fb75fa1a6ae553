"""What callers ask for of one person's statistics."""

from datetime import timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_api.http.fields import OrganizationId
from singr_api.http.spans import UNTIL, Asked, Moment, asked_of
from singr_comms.people import BY_OF_PERSON

_USUAL: Final = timedelta(days=30)


class PersonStatisticsQuery(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}
):
    """What to tell apart, and of when.

    Attributes:
        by: `day`, `type`, `channel`, `provider`, separated by commas; if empty, all together.
    """

    organization_id: OrganizationId | None = None
    by: Annotated[str, Meta(max_length=100, examples=["channel,day"])] = "channel"
    since: (
        Annotated[
            Moment,
            Meta(
                description="Inclusive; 30 days before `to` by default. At most 92 days.",
                examples=["2026-11-16T00:00:00Z"],
            ),
        ]
        | None
    ) = None
    until: Annotated[Moment, Meta(description=UNTIL)] | None = None

    def asked(self) -> Asked:
        """Return what is asked for; all that is wrong with it is told at once.

        Raises:
            Problem: 422, with every parameter that is wrong.
        """
        return asked_of(self.by, self.since, self.until, usual=_USUAL, among=BY_OF_PERSON)
