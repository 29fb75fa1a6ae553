"""What operators send and get for the operation log."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, PRINTABLE, Cursor, Limit
from singr_api.http.pages import SearchedPageOf
from singr_config.constants import PAGINATION
from singr_db.operation_log import OperationView

_Kind = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=rf"^[a-z_]+\.[a-z_]+{END}",
        description="What was done, prefixed by the kind of object it was done to.",
        examples=["job.cancel"],
    ),
]


class OperationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines, and how many.

    Attributes:
        organization_id: only operations of this organization; all by default.
        actor: who did it: `user:` and an id, a key id, or the name of a process.
        target: the id or name of the object.
    """

    organization_id: UUID | None = None
    actor: Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)] | None = None
    kind: _Kind | None = None
    target: Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class OperationPage(SearchedPageOf[OperationView], frozen=True):
    """Some log entries, newest first."""
