"""Fields that several capabilities take: what they may hold, and what the documentation says of them."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.codes import RuleError
from singr_auth import PASSWORD_LENGTH_ALONE, PASSWORD_LENGTH_MOST, PASSWORD_LENGTH_WITH_SECOND_FACTOR
from singr_auth.accounts import EMAIL_PATTERN, NAME_PATTERN
from singr_config.constants import PAGINATION
from singr_config.text import ONE_LINE

END = r"(?![\s\S])"  # as $, but a line feed does not pass before it, in Python and ECMAScript alike

PRINTABLE = rf"^[^\x00-\x1f\x7f]+{END}"
"""Ids and keys that programs make up: no control characters of ASCII."""
LINE = ONE_LINE
"""What a person writes in one line, in any script: nothing that steers a terminal or turns the line round."""
VISIBLE_LINE = rf"^(?=[\s\S]*\S){ONE_LINE.removeprefix('^')}"
"""Likewise, and not only spaces: a name that people are shown."""

Timestamp = Annotated[dt.datetime, Meta(tz=True, examples=["2026-11-22T12:00:00Z"])]
From = Annotated[Timestamp, Meta(description="Inclusive.")]
Until = Annotated[Timestamp, Meta(description="Exclusive.")]
Limit = Annotated[int, Meta(ge=PAGINATION.least, le=PAGINATION.most)]
LimitOfPeople = Annotated[int, Meta(ge=PAGINATION.least, le=PAGINATION.most_users)]
Cursor = Annotated[
    str,
    Meta(
        pattern=rf"^A[Q-Za-f][A-Za-z0-9_-]{{20}}[AEIMQUYcgkosw048]{END}",
        description="The next_cursor of the previous page, unchanged.",
    ),
]
OrganizationId = Annotated[
    UUID,
    Meta(
        description="Required for a platform credential; an organization's own credential may leave it out.",
        examples=["01920000-0000-7000-8000-000000000001"],
    ),
]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many, and from where on."""

    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class OrganizationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose it is."""

    organization_id: OrganizationId | None = None


EmailAddress = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=EMAIL_PATTERN,
        description=(
            "In ASCII, with international domains in their xn-- form; case and surrounding spaces do not matter. Where"
            " mail is about to go, it is one that mail can reach: not at `localhost`, an IP address or `.invalid`."
        ),
        examples=["ada@example.org"],
    ),
]
PersonsName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=NAME_PATTERN, description="One line.", examples=["Ada Lovelace"])
]


def _new_password(least: int, description: str) -> Meta:
    # said to callers, and checked by the policy: it counts characters once they are composed, and tells what is wrong
    rule = {"minLength": least, "maxLength": PASSWORD_LENGTH_MOST}
    return Meta(
        description=f"{description} At most 256, of any kind; commonly used passwords are refused.",
        examples=["a long road to the microphone"],
        extra_json_schema=rule,
    )


FirstPassword = Annotated[str, _new_password(PASSWORD_LENGTH_ALONE, "At least 15 characters.")]
"""Of an account that has no second factor yet."""
NewPassword = Annotated[
    str,
    _new_password(PASSWORD_LENGTH_WITH_SECOND_FACTOR, "At least 15 characters, or 8 if a second factor is on."),
]
GivenPassword = Annotated[
    str,
    Meta(
        min_length=1, max_length=1024, description="The current password.", examples=["a long road to the microphone"]
    ),
]
OneTimeToken = Annotated[
    str, Meta(min_length=1, max_length=200, description="The link's `token`.", examples=["sev_8jQ0w…"])
]
ChallengeToken = Annotated[
    str, Meta(min_length=1, max_length=200, description="From the response to the first factor.")
]
Code = Annotated[str, Meta(min_length=1, max_length=40, description="Spaces and hyphens are ignored.")]
SixDigits = Annotated[
    str, Meta(min_length=1, max_length=40, description="Six digits; spaces are ignored.", examples=["042917"])
]


def check_order(after: dt.datetime | None, before: dt.datetime | None) -> None:
    """Refuse a span of time that ends before it begins: nothing lies in it, and two bounds were swapped."""
    if after is not None and before is not None and after > before:
        raise RuleError("conflicting_fields", "created_after must not be later than created_before: swap them")
