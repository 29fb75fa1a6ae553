"""What callers get of topics."""

import msgspec

from singr_api.http.fields import Cursor, Limit, OrganizationId
from singr_api.http.pages import PageOf
from singr_comms.people import TopicView
from singr_config.constants import PAGINATION


class TopicsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose topics, and how many."""

    organization_id: OrganizationId | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class TopicPage(PageOf[TopicView], frozen=True):
    """Some topics, newest first."""
