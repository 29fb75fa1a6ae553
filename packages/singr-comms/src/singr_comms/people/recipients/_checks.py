"""What no single field shows: whether an address can be reached, a zone is one, an account is a member's."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from singr_comms.channels.email import EmailAddress
from singr_comms.notifications._reachable import unreachable_email, wrong_phone
from singr_comms.people._directory import Member
from singr_comms.people._errors import PeopleError, PersonFault
from singr_comms.people._forms import formed
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.recipients._model import MOST_AT_ONCE, NamedRecipient, RecipientInput
from singr_config.text import VISIBLE_RULE, has_visible
from singr_db import PlatformSession, TenantSession, sql_text
from singr_jobs.schedules import zone

_KNOWN: Final = sql_text("SELECT name FROM pg_timezone_names", roles=("platform", "tenant"))
_STRANGER: Final = "must be the id of a member of this organization"
_LEFT: Final = "is no member of this organization any more: leave it out, and the person stays"
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


def check_person(given: Any) -> None:
    """Refuse what is no person at all, of whom no field can be read; raises PeopleError."""
    if not isinstance(given, RecipientInput):
        raise PeopleError(*formed(given, RecipientInput)[1])


def check_list(given: Any) -> None:
    """Likewise, of a list of people; and refuse one that is too long."""
    if not isinstance(given, list | tuple):
        raise PeopleError(PersonFault("recipients", "must be a list of NamedRecipient", "malformed"))
    if len(given) > MOST_AT_ONCE:
        message = f"must be at most {MOST_AT_ONCE:,} in one call: send the rest in others"
        raise PeopleError(PersonFault("recipients", message, "too_many_items"))
    strange = [place for place, one in enumerate(given) if not isinstance(one, NamedRecipient)]
    if strange:
        raise PeopleError(
            *(PersonFault(f"recipients[{place}]", "must be a NamedRecipient", "malformed") for place in strange)
        )


def check_filter(*, user_id: Any, **words: Any) -> None:
    """Refuse what no person can be looked for by; raises PeopleError."""
    faults = formed(user_id, UUID | None, "user_id")[1]
    for name, given in words.items():
        faults += formed(given, str | None, name)[1]
    if faults:
        raise PeopleError(*faults)


def faults_of(one: NamedRecipient, *, allow_test: bool) -> Iterator[PersonFault]:
    """What is wrong with a recipient by itself, by field: its form too, which a caller in Python may not have kept."""
    misshapen = formed(one, NamedRecipient)[1]
    yield from misshapen
    form = {fault.field for fault in misshapen}
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
        named: Any = one.external_id  # of a caller in Python it may be anything
        if isinstance(named, str) and (first := seen.setdefault(named, place)) != place:
            yield place, PersonFault("external_id", f"must come once: recipients[{first}] has it", "repeated")
        if isinstance(one.user_id, UUID) and (first := accounts.setdefault(one.user_id, place)) != place:
            yield place, PersonFault("user_id", f"must come once: recipients[{first}] has it", "repeated")


def filled(one: NamedRecipient, member: Member | None) -> NamedRecipient:
    """A recipient with what the account says, where they themselves say nothing."""
    if member is None:
        return one
    return replace(one, name=one.name or member.name, email=one.email or member.email, phone=one.phone or member.phone)


def copied_of(given: NamedRecipient, complete: NamedRecipient) -> list[str]:
    """What `filled` took from the account."""
    return [name for name in ("name", "email", "phone") if getattr(complete, name) and not getattr(given, name)]


def wrong_zone(name: str) -> str | None:
    """What is wrong with a zone by this release's own rules; None where nothing is."""
    return _BAD_ZONE if zone(name) is None else None


def strangers(
    given: Sequence[NamedRecipient], members: Mapping[UUID, Member], former: Collection[tuple[str, UUID]]
) -> Iterator[tuple[int, PersonFault]]:
    """Which recipients name an account that does not belong to the organization, by their places.

    Args:
        given: they.
        members: whose accounts belong to it.
        former: ids, each with the account that it was last.
    """
    for place, one in enumerate(given):
        if isinstance(one.user_id, UUID) and one.user_id not in members:
            wrong = _LEFT if (one.external_id, one.user_id) in former else _STRANGER
            yield place, PersonFault("user_id", wrong, "not_found")


def account_of(one: NamedRecipient) -> UUID | None:
    """Whose account it is; None where there is none, or what is given is none."""
    return one.user_id if isinstance(one.user_id, UUID) else None


def taken(path: str) -> PersonFault:
    """What is wrong with an account that another recipient has."""
    return PersonFault(f"{path}user_id", "belongs to another recipient: remove it from them first", "taken")
