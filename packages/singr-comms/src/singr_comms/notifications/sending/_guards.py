"""Guards of the money that text messages cost: where they may go, and how many go to one place."""

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from singr_comms.catalogue import message_types
from singr_comms.notifications._reachable import wrong_phone
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Sealer, TenantSession, sql_text

# Of all organizations together, so it is counted by a function of the platform's.
_COUNT: Final = sql_text("SELECT count_sms(CAST(:subject AS bytea), :most)", roles=("tenant",))
_PREFIX: Final = 7
# A busy country is counted in several rows, so that its messages do not wait for each other.
_ROWS: Final = 8
_FEWEST_IN_A_ROW: Final = 100

NUMBER_REFUSED: Final = "number_refused"
COUNTRY_REFUSED: Final = "country_refused"
PREFIX_LIMIT: Final = "prefix_limit"
REGION_LIMIT: Final = "region_limit"
GUARDS: Final = frozenset({NUMBER_REFUSED, COUNTRY_REFUSED, PREFIX_LIMIT, REGION_LIMIT})
"""The codes of what a guard held back."""
_DEAR: Final = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.PERSONAL_NUMBER})
_NORTH_AMERICA: Final = 1
# Of a number after its calling code; shorter ones are no numbers to the library.
_FEWEST_DIGITS: Final = 2
_MISSING: Final = 4
# Inmarsat, universal personal numbers, satellites and international networks (ITU-T E.164): of no country, so that only
# a list of countries would keep them out, and among the dearest there are.
_DEAR_CODES: Final = frozenset({870, 878, 881, 882, 883})


class SmsGuards:
    """Counts text messages by country and by the first seven digits of their numbers, over all organizations.

    Whoever has codes sent to numbers that earn them money uses many numbers, many accounts and many addresses; the
    numbers lie side by side. So these hold for codes and notices of security as well. They are counted in PostgreSQL,
    in the transaction of a message's first attempt: what cannot be counted is not sent.

    Each limit holds three times over: for codes and notices of security of the platform, for those of organizations,
    and for all else. So nothing that an organization sends uses up the codes that people sign in with.

    A country is that of the number, and not of its calling code: +1 613 is Canada's, and +7 7 Kazakhstan's.

    Args:
        sealer: gives the fingerprints that counts are kept under.
        limits: `sms_countries`, `sms_per_country`, `sms_per_prefix`.
    """

    def __init__(self, sealer: Sealer, limits: LimitSettings) -> None:
        self._sealer = sealer
        self._limits = limits

    async def count(self, session: TenantSession, message_id: UUID, number: str, kind: str) -> tuple[str, str] | None:
        """Count a message of this kind to this number; return code and words of what holds it back."""
        if wrong := wrong_phone(
            number
        ):  # stored by a release that let it in; under it the counts of another would begin
            return NUMBER_REFUSED, f"the recipient {wrong}"
        parsed = phonenumbers.parse(number)
        if _is_dear(parsed):
            return NUMBER_REFUSED, "the number costs its callers extra, and no text message goes there"
        country = country_of(parsed)
        allowed = self._limits.sms_countries
        if allowed and country not in allowed:
            where = f"the number is of {country or 'no country that is known'}"
            return COUNTRY_REFUSED, f"{where}; text messages go to {', '.join(allowed)} (SMS_COUNTRIES)"
        pool, called = _pool(session.organization_id, kind)
        prefix = number.lstrip("+")[:_PREFIX]
        if not await self.takes(session, f"{pool}prefix {prefix}", self._limits.sms_per_prefix):
            most = self._limits.sms_per_prefix
            return PREFIX_LIMIT, f"{most} {called} went to numbers beside this one in this hour: the limit"
        if not await self._spread(session, message_id, f"{pool}country {country or 'nowhere'}"):
            most = self._limits.sms_per_country
            return REGION_LIMIT, f"{most} {called} went to this country in this hour: the limit"
        return None

    async def _spread(self, session: TenantSession, message_id: UUID, subject: str) -> bool:
        most = self._limits.sms_per_country
        rows = _ROWS if most >= _ROWS * _FEWEST_IN_A_ROW else 1
        first = message_id.int % rows
        for row in ((first + step) % rows for step in range(rows)):
            if await self.takes(session, f"{subject} {row}", most // rows + (row < most % rows)):
                return True
        return False

    async def takes(self, session: TenantSession, subject: str, most: int) -> bool:
        """Count one more to a place, unless its count is full; returns whether it was not."""
        return bool(await session.scalar(_COUNT, {"subject": self.print_of(subject), "most": most}))

    def print_of(self, subject: str) -> bytes:
        """The fingerprint that a place is counted under."""
        return self._sealer.fingerprint(subject, context="sms.guards")


def _pool(organization_id: UUID, kind: str) -> tuple[str, str]:
    """With whose messages one is counted, and what these are called."""
    if not (message_types.carries_code(kind) or message_types.concerns_security(kind)):
        return "", "text messages"
    return ("own codes " if organization_id == PLATFORM_ORGANIZATION_ID else "codes "), "text messages with codes"


def _is_dear(number: PhoneNumber) -> bool:
    """Whether a number costs extra, or begins as such numbers do and has a digit or two more or fewer.

    Carriers bill by how a number begins, and drop what is too much. A number that no plan knows, and that begins like
    none that costs extra, is not held back: plans are newer than what is known of them here.
    """
    if number.country_code in _DEAR_CODES:
        return True
    kind = phonenumbers.number_type(number)
    if kind != PhoneNumberType.UNKNOWN:
        return _costs_extra(kind, number)
    begins = next(_kinds(_shorter(number)), None)
    if begins is not None:
        return _costs_extra(begins, number)
    may_become = set(_kinds(_longer(number)))
    return bool(may_become) and all(_costs_extra(one, number) for one in may_become)


def _costs_extra(kind: int, number: PhoneNumber) -> bool:
    if kind == PhoneNumberType.PERSONAL_NUMBER and number.country_code == _NORTH_AMERICA:
        return False  # +1 500 costs what other numbers do, and Twilio's numbers for tests are among them
    return kind in _DEAR


def _shorter(number: PhoneNumber) -> Iterator[str]:
    """Its beginnings, the longest first."""
    digits, fewest = _e164(number), len(str(number.country_code)) + _FEWEST_DIGITS
    return (digits[:length] for length in range(len(digits) - 1, fewest, -1))


def _longer(number: PhoneNumber) -> Iterator[str]:
    """Numbers of a few digits more that begin with it, at least one in each block of them."""
    digits = _e164(number)
    return (digits + added * more for more in range(1, _MISSING + 1) for added in "0123456789")


def _kinds(numbers: Iterable[str]) -> Iterator[int]:
    """The kinds of those numbers that a plan knows."""
    with_plan = (phonenumbers.number_type(phonenumbers.parse(number)) for number in numbers)
    return (kind for kind in with_plan if kind != PhoneNumberType.UNKNOWN)


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def country_of(number: PhoneNumber) -> str | None:
    """The country (ISO 3166) whose number it is; None where nothing tells.

    A number that no plan knows, but whose calling code is one country's alone, is that country's.
    """
    found = phonenumbers.region_code_for_number(number)
    if found is None and number.country_code is not None:
        of_code = phonenumbers.region_codes_for_country_code(number.country_code)
        found = of_code[0] if len(of_code) == 1 else None
    return None if found in {None, "001", "ZZ"} else found
