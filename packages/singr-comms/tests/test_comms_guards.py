"""What text messages may cost: where they go, and how many go to one place, whoever asks for them."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import phonenumbers
import pytest
from comms_callbacks import settings
from comms_queueing import SEALER, all_rows
from sqlalchemy import text

from singr_comms import (
    InvalidMessageError,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    PlainSms,
    VerificationCodeSms,
    check_settings,
)
from singr_comms.notifications import MessageSender, SmsRequest, collect_quotas, queue_message, wrong_phone
from singr_comms.notifications.sending._guards import SmsGuards, _is_dear, country_of
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError
from singr_observability import build_metrics

CODE = VerificationCodeSms(code="481516", expiry_minutes=5)


class Phones:
    """Sends text messages, each for an organization of its own, so that no other limit is met."""

    def __init__(self, db: Database, **limits: Any) -> None:
        self.db, self.sms = db, MemorySmsProvider()
        self.sender = MessageSender(
            db,
            SEALER,
            email=MemoryEmailProvider(),
            sms=self.sms,
            push=MemoryPushProvider(),
            limits=LimitSettings(**limits),
            metrics=build_metrics(),
        )

    async def send(self, number: str, message: Any = None, *, of: UUID | None = None) -> str:
        """The code that held it back; "" where it was sent."""
        organization = of or new_id()
        request = SmsRequest(to=number, message=message or PlainSms(text="Hello"))
        async with self.db.tenant(organization) as session:
            queued = await queue_message(session, request, sealer=SEALER, organization_id=organization)
        assert queued.message_id is not None
        try:
            await self.sender.send("sms", queued.message_id, organization_id=organization, is_last_attempt=False)
        except PermanentError as error:
            return error.code
        return ""


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+4915123456789", "DE"),
        ("+16135550142", "CA"),
        ("+12025550142", "US"),
        ("+77012345678", "KZ"),
        ("+79123456789", "RU"),
        ("+447400123456", "GB"),
        ("+4900000000", "DE"),
        ("+447700900123", None),
        ("+15555550100", None),
        ("+88213300655", None),
    ],
)
def test_a_country_is_that_of_the_number_and_not_of_its_calling_code(number: str, country: str | None) -> None:
    assert country_of(phonenumbers.parse(number)) == country


def test_a_country_that_no_number_is_of_is_refused_at_the_start() -> None:
    words = "is no country that has telephone numbers (ISO 3166)"
    assert check_settings(settings(SMS_COUNTRIES="GB,UK,XX,XK")) == [
        f"SMS_COUNTRIES: UK {words}: did you mean GB?",
        f"SMS_COUNTRIES: XX {words}",
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+4915123456789", ""),
        ("+16135550142", "country_refused"),
        ("+15555550100", "country_refused"),
        ("+499001234567", "number_refused"),
    ],
)
async def test_messages_go_to_the_countries_that_are_named_and_to_no_dear_number(
    db: Database, number: str, code: str
) -> None:
    phones = Phones(db, sms_countries=("DE", "AT"))
    assert await phones.send(number) == code
    assert len(phones.sms.sent) == (not code)
    [row] = await all_rows(db)
    assert row.status == ("sent" if not code else "suppressed")


@pytest.mark.parametrize(
    "number",
    [
        "+999123456789",
        "+441512888010000",
        "+115129990103",
        "+4407400777001",
        "+447001234567",
        "+4990012345678",
        "+49900123456789",
        "+44901234567",
        "+398991234560",
        "+819901234560",
        "+870773111632",
        "+878101234567890",
        "+881612345678",
        "+88213300655",
        "+883510012345678",
    ],
)
async def test_no_message_goes_to_satellites_personal_or_impossible_numbers_though_all_countries_are_allowed(
    number: str,
) -> None:
    guards = SmsGuards(SEALER, LimitSettings())
    held = await guards.count(None, new_id(), number, "plain")  # type: ignore[arg-type] # held back before anything is counted
    assert held is not None
    assert held[0] == "number_refused"


@pytest.mark.parametrize("number", ["+115129990103", "+4407400777001", "+441512888010000"])
async def test_code_queues_nothing_for_a_number_in_a_form_that_no_country_has(db: Database, number: str) -> None:
    phones = Phones(db)
    with pytest.raises(InvalidMessageError) as caught:
        await phones.send(number, CODE)
    assert caught.value.field == "to"
    assert number not in str(caught.value)
    assert await all_rows(db) == []


DEAR = ("PREMIUM_RATE", "SHARED_COST", "PERSONAL_NUMBER")
UNCLEAR = {"JP", "KH", "MY", "TH"}
"""Here numbers for everybody begin as some of those do."""


def of_wrong_length(*kinds: str) -> Iterator[tuple[str, str]]:
    """By region, possible numbers that begin as those of a kind and have digits more or fewer."""
    for region, kind in itertools.product(sorted(phonenumbers.SUPPORTED_REGIONS), kinds):
        example = phonenumbers.example_number_for_type(region, getattr(phonenumbers.PhoneNumberType, kind))
        if example is None or (kind == "PERSONAL_NUMBER" and example.country_code == 1):
            continue
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for other in (number[:-1], number[:-2], number + "1", number + "00"):
            parsed = phonenumbers.parse(other)
            if wrong_phone(other) is None and not phonenumbers.is_valid_number(parsed):
                yield region, other


def test_dear_numbers_of_wrong_length_are_dear_and_others_of_wrong_length_are_not() -> None:
    dear = list(of_wrong_length(*DEAR))
    assert len(dear) > 200
    let_through = [one for one in dear if one[0] not in UNCLEAR and not _is_dear(phonenumbers.parse(one[1]))]
    assert let_through == []
    assert [one for one in of_wrong_length("MOBILE", "FIXED_LINE") if _is_dear(phonenumbers.parse(one[1]))] == []


@pytest.mark.parametrize("number", ["+15555550100", "+15005550006", "+4900000000", "+447700900123", "+4915112345"])
def test_number_that_no_plan_knows_and_that_begins_like_no_dear_one_is_not_dear(number: str) -> None:
    assert not _is_dear(phonenumbers.parse(number))


async def test_twilios_numbers_for_tests_are_not_dear(db: Database) -> None:
    assert await Phones(db).send("+15005550001") == ""


async def test_codes_for_numbers_side_by_side_stop_at_the_limit_over_all_organizations(
    db: Database, clock: VirtualClock
) -> None:
    phones = Phones(db, sms_per_prefix=3)
    answers = [await phones.send(f"+49151234567{number:02}", CODE) for number in range(5)]
    assert answers == ["", "", "", "prefix_limit", "prefix_limit"]
    assert await phones.send("+4916012345678", CODE) == "", "others are written to"
    clock.advance(hours=1)
    assert await phones.send("+4915123456799", CODE) == ""


@pytest.mark.parametrize("limit", ["sms_per_prefix", "sms_per_country"])
async def test_text_messages_of_organizations_use_up_no_codes_of_sign_ins_to_their_neighbours(
    db: Database, limit: str
) -> None:
    phones = Phones(db, **{limit: 2})
    number = iter(range(100, 200))

    async def answers(message: Any, of: UUID | None = None) -> list[str]:
        found = [await phones.send(f"+49151234567{next(number)}", message, of=of) for _ in range(3)]
        assert found[:2] == ["", ""]
        return found[2:]

    code = {"sms_per_prefix": "prefix_limit", "sms_per_country": "region_limit"}[limit]
    assert await answers(None) == [code]
    assert await answers(CODE) == [code], "of organizations: these take nothing from the platform's either"
    assert await answers(CODE, PLATFORM_ORGANIZATION_ID) == [code], "they have a limit of their own"


async def test_a_country_has_a_limit_that_holds_to_the_last_message_though_all_come_at_once(db: Database) -> None:
    phones = Phones(db, sms_per_country=803, sms_per_prefix=1_000_000)
    async with db.platform() as session:  # eight rows hold it; all but the last three of each are used up
        for row in range(8):
            subject = SEALER.fingerprint(f"country DE {row}", context="sms.guards")
            await session.execute(
                text("INSERT INTO sms_counts VALUES (:subject, date_trunc('hour', now(), 'UTC'), 99)"),
                {"subject": subject},
            )
    numbers = [f"+4915{number}2345678" for number in range(1, 10)] + [f"+4916{number}2345678" for number in range(6)]
    answers = await asyncio.gather(*map(phones.send, numbers))
    assert (answers.count(""), answers.count("region_limit")) == (11, 4)


async def test_what_cannot_be_counted_is_not_sent(db: Database) -> None:
    phones = Phones(db)
    async with db.platform() as session:
        await session.execute(text("REVOKE EXECUTE ON FUNCTION count_sms(bytea, integer) FROM singr_tenant"))
    try:
        with pytest.raises(Exception, match="permission denied"):
            await phones.send("+4915123456789")
    finally:
        async with db.platform() as session:
            await session.execute(text("GRANT EXECUTE ON FUNCTION count_sms(bytea, integer) TO singr_tenant"))
    assert phones.sms.sent == []


async def test_counts_hold_no_number_and_go_with_their_hour(db: Database, clock: VirtualClock) -> None:
    await Phones(db).send("+4915123456789")
    async with db.platform() as session:
        subjects = list(await session.scalars(text("SELECT subject_hash FROM sms_counts")))
    assert len(subjects) == 2
    assert not any(b"4915" in bytes(subject) for subject in subjects)
    clock.advance(hours=27)
    await collect_quotas(db)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM sms_counts")) == 0
