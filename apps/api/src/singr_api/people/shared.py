"""What several capabilities about people take, answer and show, and in which organization one asks about oneself."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select, union

from singr_api.admission.call import UserCall
from singr_api.http.problems import NOT_FOUND, FieldError, invalid, refused
from singr_api.routing.patterns import publish_patterns
from singr_api.wiring.services import Services
from singr_comms.people import (
    MOST_CHOICES,
    ExternalId,
    FrequencyChoice,
    PreferenceChoice,
    PreferencesHolder,
    RecipientNotFoundError,
    as_reader,
)
from singr_db import PlatformSession
from singr_db.tables import Membership, Recipient

_EMAIL_OFF: Final[dict[str, Any]] = {
    "channel": "email",
    "allowed": False,
    "rule": "recipient:category+channel",
    "frequency": None,
    "frequency_rule": None,
}
_SMS_WEEKLY: Final[dict[str, Any]] = {
    "channel": "sms",
    "allowed": True,
    "rule": "type",
    "frequency": "weekly",
    "frequency_rule": "recipient:category",
}
PREFERENCES: Final[dict[str, Any]] = {
    "recipient": "u-17",
    "choices": [
        {
            "scope": "category",
            "name": "requests",
            "channel": "email",
            "allowed": False,
            "source": "recipient",
            "updated_at": "2026-11-27T12:00:00Z",
        }
    ],
    "frequencies": [
        {
            "scope": "category",
            "name": "stock",
            "channel": None,
            "frequency": "weekly",
            "source": "recipient",
            "updated_at": "2026-11-27T12:00:00Z",
        }
    ],
    "categories": [
        {"category": "requests", "channels": [_EMAIL_OFF]},
        {"category": "stock", "channels": [_SMS_WEEKLY]},
    ],
    "types": [{"type": "song_request", "category": "requests", "mandatory": False, "channels": [_EMAIL_OFF]}],
}
CHANGE: Final[dict[str, Any]] = {
    "choices": [
        {"scope": "category", "name": "requests", "channel": "email", "allowed": False},
        {"scope": "all", "channel": "sms", "allowed": None},
    ]
}
OFTEN: Final[dict[str, Any]] = {
    "frequencies": [
        {"scope": "category", "name": "stock", "frequency": "weekly"},
        {"scope": "type", "name": "song_request", "channel": "email", "frequency": "immediate"},
    ]
}


class ChangePreferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Choices to store or clear; choices that are not named stay, so `{}` changes nothing.

    Attributes:
        choices: which messages are wanted; at most one choice per subject.
        frequencies: how often: immediately, or in one mail per day or week; at most one per subject.
    """

    choices: Annotated[tuple[PreferenceChoice, ...], Meta(max_length=MOST_CHOICES)] = ()
    frequencies: Annotated[tuple[FrequencyChoice, ...], Meta(max_length=MOST_CHOICES)] = ()


DAILY: Final = "It is the organization's daily work, and gives nobody lasting power."
EXTERNAL_ID: Final[dict[str, Any]] = publish_patterns(msgspec.json.schema(ExternalId))
IN_PATH: Final[dict[str, Any]] = {"path_schemas": {"external_id": EXTERNAL_ID}}


class MyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which organization.

    Attributes:
        organization_id: the organization that reaches you; may be left out if there is only one.
    """

    organization_id: Annotated[UUID, Meta(examples=["01920000-0000-7000-8000-000000000001"])] | None = None


class MyOrganizationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose messages."""

    organization_id: Annotated[UUID, Meta(description="The organization that sends them.")]


def checked_id(external_id: str, *, new: bool = False) -> str:
    """The organization's id of a person, as the path has it.

    Raises:
        RecipientNotFoundError: nobody can have it.
        Problem: nobody can be given it (422).
    """
    try:
        return msgspec.convert(external_id, ExternalId)
    except msgspec.ValidationError:
        if not new:
            raise RecipientNotFoundError("external_id") from None
        message = "must be 1 to 128 letters, digits and . _ : @ + ~ = | -, and not `import`"
        raise invalid(FieldError("external_id", message, "path", "pattern")) from None


async def reading_as_member(
    services: Services, session: PlatformSession, holder: PreferencesHolder, user_id: UUID
) -> PreferencesHolder:
    """A recipient who chooses by their account: they read what goes to the account's own address."""
    members = await services.directory.members(session, holder.organization_id, [user_id])
    told = (each for one in members.values() for each in (one.email, one.phone) if each)
    return as_reader(session, holder, told, sealer=services.sealer)


async def my_organization(
    services: Services, call: UserCall, named: UUID | None, *, otherwise: UUID | None = None
) -> UUID:
    """The organization in which a person asks about themselves: it reaches them, or they are a member.

    Args:
        services: the parts.
        call: who asks.
        named: the one that they named.
        otherwise: what is meant where there is none.

    Raises:
        Problem: there is none (404), or there are several, and none is named (422).
    """
    reaches = select(Recipient.organization_id).where(Recipient.user_id == call.user_id)
    belongs = select(Membership.organization_id).where(Membership.user_id == call.user_id)
    async with services.db.platform() as session:
        theirs = set((await session.scalars(union(reaches, belongs))).all())
    if named is not None and named not in theirs:
        message = "must be an organization that you belong to, or that reaches you"
        raise refused(NOT_FOUND, FieldError("organization_id", message, "query", "not_found"))
    if named is not None:
        return named
    if len(theirs) == 1:
        return theirs.pop()
    if not theirs and otherwise is not None:
        return otherwise
    if not theirs:
        message = "There must be an organization that you belong to, or that reaches you."
        raise refused(NOT_FOUND, FieldError("organization_id", message, "query", "not_found"))
    raise invalid(FieldError("organization_id", "is required: several organizations reach you", "query", "required"))
