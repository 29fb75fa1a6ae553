"""What operators send and get for other people's accounts."""

from typing import Literal

import msgspec

from singr_api.http.fields import Cursor, EmailAddress, LimitOfPeople
from singr_api.http.pages import PageOf
from singr_auth.accounts import UserSummary
from singr_config.constants import PAGINATION


class UserQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which accounts, and how many.

    Attributes:
        status: only accounts with this status.
    """

    status: Literal["pending", "active", "disabled", "deleted"] | None = None
    email: EmailAddress | None = None
    limit: LimitOfPeople = PAGINATION.default
    cursor: Cursor | None = None


class UserPage(PageOf[UserSummary], frozen=True):
    """Some accounts, newest first."""


class SessionsEnded(msgspec.Struct, frozen=True):
    """How many sessions ended."""

    ended: int
