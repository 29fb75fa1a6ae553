"""What callers send about the preferences of people."""

from typing import Annotated

import msgspec
from msgspec import Meta

from singr_api.http.fields import PRINTABLE, OrganizationId
from singr_api.people.shared import ChangePreferences
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN


class PreferencesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose."""

    recipient: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern=PRINTABLE,
            description="The organization's own id of the person (`external_id`).",
            examples=["u-17"],
        ),
    ]
    organization_id: OrganizationId | None = None


class ChangeRecipientPreferences(ChangePreferences, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Choices to store or clear; choices that are not named stay, so `{}` changes nothing.

    Attributes:
        note: why the person is overruled; required to switch on or clear what they switched off themselves. Stored in
            the operation log.
    """

    note: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN)] | None = None
