"""What no single field shows: whether an address can be reached, a zone is one, an account is a member's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from singr_comms.catalogue._filling import faults_in
from singr_comms.channels.email import EmailAddress
from singr_comms.notifications._reachable import unreachable_email, wrong_phone
from singr_comms.people._directory import Member
from singr_comms.people._errors import PersonFault
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.recipients._model import NamedRecipient
from singr_config.text import VISIBLE_RULE, has_visible
from singr_db import PlatformSession, TenantSession, sql_text
from singr_jobs.schedules import zone

_KNOWN: Final = sql_text("SELECT name FROM pg_timezone_names", roles=("platform", "tenant"))
_BAD_ZONE: Final = "must be the IANA name of a time zone, such as Europe/Berlin"


class Zones:
    """Knows which zones both PostgreSQL and this release's own rules have; asks PostgreSQL once."""

    def __init__(self) -> None:
        self._known: frozenset[str] | None = None

    async def wrong(self, session: TenantSession | PlatformSession, name: str) -> str | None:
        """What is wrong with a name; None where nothing is."""
        if wrong := wrong_zone(name):
            return wrong
        if isinstance(session, KeepsPeople):
            return None
        if self._known is None:
            self._known = frozenset((await session.scalars(_KNOWN)).all())
        return None if name in self._known else f"{_BAD_ZONE}: the database has no rules for it"


ZONES: Final = Zones()


def faults_of(one: NamedRecipient, *, allow_test: bool) -> Iterator[PersonFault]:
    """What is wrong with a recipient by itself, by field: its form too, which a caller in Python may not have kept."""
    form = {path.removeprefix("."): wrong for path, wrong in faults_in(to_builtins(one), NamedRecipient, "").items()}
    for path, wrong in form.items():
        yield PersonFault(path, wrong, "malformed")
    if one.email is not None and "email" not in form:
        for wrong in unreachable_email(EmailAddress(one.email), allow_test=allow_test).values():
            yield PersonFault("email", wrong, "malformed")
    if one.phone is not None and "phone" not in form and (wrong_one := wrong_phone(one.phone)):
        yield PersonFault("phone", wrong_one, "malformed")
    if one.name is not None and "name" not in form and not has_visible(one.name):
        yield PersonFault("name", VISIBLE_RULE, "malformed")


def twice(given: Sequence[NamedRecipient]) -> Iterator[tuple[int, PersonFault]]:
    """Which recipients of a list name somebody whom an earlier one named, by their places."""
    seen: dict[str, int] = {}
    accounts: dict[UUID, int] = {}
    for place, one in enumerate(given):
        first = seen.setdefault(one.external_id, place)
        if first != place:
            yield place, PersonFault("external_id", f"must come once: recipients[{first}] has it", "repeated")
        if one.user_id is not None and (first := accounts.setdefault(one.user_id, place)) != place:
            yield place, PersonFault("user_id", f"must come once: recipients[{first}] has it", "repeated")


def filled(one: NamedRecipient, member: Member | None) -> NamedRecipient:
    """A recipient with what the account says, where they themselves say nothing."""
    if member is None:
        return one
    return replace(one, name=one.name or member.name, email=one.email or member.email, phone=one.phone or member.phone)


def wrong_zone(name: str) -> str | None:
    """What is wrong with a zone by this release's own rules; None where nothing is."""
    return _BAD_ZONE if zone(name) is None else None


def strangers(given: Sequence[NamedRecipient], members: Mapping[UUID, Member]) -> Iterator[tuple[int, PersonFault]]:
    """Which recipients name an account that does not belong to the organization, by their places."""
    for place, one in enumerate(given):
        if isinstance(one.user_id, UUID) and one.user_id not in members:
            yield place, PersonFault("user_id", "must be the id of a member of this organization", "not_found")
