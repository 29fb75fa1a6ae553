"""What callers send and get for people whom an organization reaches."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, Cursor, Limit, OrganizationId
from singr_api.http.pages import SearchedPageOf
from singr_comms.people import MOST_AT_ONCE, NamedRecipient, RecipientView, Tag
from singr_config.constants import PAGINATION

TopicKey = Annotated[str, Meta(min_length=1, max_length=128)]


class RecipientQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which people, and how many.

    Attributes:
        tag: who has it.
        topic: only members of this topic.
        user_id: only the person with this account.
        locale: only people with this locale, such as `de-AT`.
    """

    organization_id: OrganizationId | None = None
    tag: Tag | None = None
    topic: TopicKey | None = None
    address: (
        Annotated[
            str,
            Meta(
                min_length=3,
                max_length=254,
                pattern=rf"^[!-~]+{END}",
                description="E-mail address or E.164 phone number in full; write + as %2B.",
            ),
        ]
        | None
    ) = None
    user_id: UUID | None = None
    locale: Annotated[str, Meta(min_length=2, max_length=35)] | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class RecipientPage(SearchedPageOf[RecipientView], frozen=True):
    """Some people, newest first."""


class ImportRecipients(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People to store: either all of them, or none.

    Attributes:
        recipients: each with the organization's own id.
    """

    recipients: Annotated[list[NamedRecipient], Meta(max_length=MOST_AT_ONCE)]


class Erasing(msgspec.Struct, frozen=True, kw_only=True):
    """The person is erased.

    Attributes:
        job_id: the job that blanks the remaining data.
    """

    job_id: UUID
