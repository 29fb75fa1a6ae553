"""What callers send about the preferences of people."""

from typing import Annotated

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, OrganizationId


class PreferencesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose."""

    recipient: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern=rf"^[^\x00-\x1f\x7f]+{END}",
            description="The organization's own id of the person (`external_id`).",
            examples=["u-17"],
        ),
    ]
    organization_id: OrganizationId | None = None
