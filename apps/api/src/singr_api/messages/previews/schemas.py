"""What callers send for a preview."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END

Kind = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[a-z][a-z0-9_.-]*{END}", examples=["order_ready"])]
Locale = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=35,
        pattern=rf"^[A-Za-z]{{2,3}}(?:[-_][A-Za-z0-9]{{2,8}})*{END}",
        description="BCP 47, such as `de` or `pt-BR`.",
        examples=["de"],
    ),
]


# Any word, as in `singr_api.messages.notifications.schemas`: what is none is told beside all else that is wrong.
AskedChannel = Annotated[str, Meta(extra_json_schema={"enum": ["email", "sms", "push"]})]


class PreviewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose message it would be.

    Attributes:
        organization_id: the organization that would send it. A platform credential that names none previews the
            platform's own message; an organization's credential may leave it out.
    """

    organization_id: Annotated[UUID, Meta(examples=["01920000-0000-7000-8000-000000000001"])] | None = None


class AskPreview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The message to preview.

    Attributes:
        type: the type of message.
        channel: the channel that it would be sent through.
        data: the values of its variables, by name.
        locale: the reader's language; if it is left out or the type has no text in it, the organization's, and
            English if there is none in that either.
    """

    type: Kind
    channel: AskedChannel
    data: dict[str, Any] = {}
    locale: Locale | None = None
