"""Exports are no mailer: the link comes from the platform, past every opt-out, so few go to one address."""

import asyncio
from uuid import UUID

from comms_callbacks import mailjet
from comms_queueing import ORGANIZATION, SEALER
from comms_told import Desk, event
from sqlalchemy import text

from singr_comms.notifications._rows import recipient_hash
from singr_comms.people import (
    AddressHeldBackError,
    ExportLimitError,
    RecipientInput,
    ask_export,
    ask_my_export,
    put_recipient,
)
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock

VICTIM = "jane@example.org"
_COMPLAINED = """
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
VALUES (:id, :organization, 'email', :hash, '***', 'all', 'complained')
"""


async def founded(db: Database, organization_id: UUID = ORGANIZATION, *, people: int = 2, to: str = VICTIM) -> UUID:
    """An organization whose recipients a0, a1, … all have this address."""
    async with db.platform() as session:
        session.add(Organization(id=organization_id, name="Blue Note", slug=f"blue-note-{organization_id}"))
    async with db.tenant(organization_id) as session:
        for number in range(people):
            given = RecipientInput(email=to.format(number=number))
            await put_recipient(session, f"a{number}", given, sealer=SEALER)
    return organization_id


async def ask(db: Database, number: int = 0, organization_id: UUID = ORGANIZATION, **limits: int) -> str:
    """What came of it: "asked", "held back", or the hours to wait."""
    try:
        async with db.tenant(organization_id) as session:
            await ask_export(session, f"a{number}", sealer=SEALER, limits=LimitSettings(**limits))  # type: ignore[arg-type] # of them
    except ExportLimitError as error:
        return f"{error.retry_after / 3600:.0f} h"
    except AddressHeldBackError:
        return "held back"
    return "asked"


async def test_one_export_goes_to_an_address_in_a_day_whatever_recipients_have_it(
    db: Database, clock: VirtualClock
) -> None:
    await founded(db, people=16)
    answers = await asyncio.gather(*(ask(db, number) for number in range(16)))
    assert sorted(answers) == ["24 h"] * 15 + ["asked"]
    free = answers.index("24 h")
    clock.advance(hours=23)
    await clock.settle()
    assert await ask(db, free) == "1 h"
    clock.advance(hours=1, seconds=1)
    await clock.settle()
    assert await ask(db, free) == "asked"


async def test_one_export_goes_to_a_mailbox_in_a_day_by_whatever_tag_its_address_has(db: Database) -> None:
    await founded(db, people=6, to="bob+{number}@example.org")
    assert sorted(await asyncio.gather(*(ask(db, number) for number in range(6)))) == ["24 h"] * 5 + ["asked"]
    plain = await founded(db, new_id(), people=1, to="Bob@example.org")
    assert await ask(db, 0, plain, exports_per_address=1) == "24 h", "whatever organization asks"
    other = await founded(db, new_id(), people=3, to="bob-{number}@example.org")
    assert [await ask(db, number, other, exports_per_address=1) for number in range(3)] == ["asked"] * 3


async def test_dots_at_gmail_are_no_way_past_the_limit_of_exports(db: Database) -> None:
    await founded(db, people=1, to="bo.b@gmail.com")
    other = await founded(db, new_id(), people=1, to="b.ob+1@googlemail.com")
    assert [await ask(db, exports_per_address=1), await ask(db, 0, other, exports_per_address=1)] == ["asked", "24 h"]


async def test_complaint_by_one_name_of_a_mailbox_holds_for_that_name(db: Database) -> None:
    organization = await founded(db, people=2, to="bob+{number}@example.org")
    async with db.platform() as session:
        values = {"id": new_id(), "organization": organization, "hash": recipient_hash(SEALER, "bob+0@example.org")}
        await session.execute(text(_COMPLAINED), values)
    assert [await ask(db, 0), await ask(db, 1)] == ["held back", "asked"]


async def test_a_few_exports_go_to_an_address_in_a_day_of_all_organizations_together(
    db: Database, clock: VirtualClock
) -> None:
    organizations = [await founded(db, new_id()) for _ in range(5)]
    answers = [await ask(db, 0, one, exports_per_address=2) for one in organizations]
    assert answers == ["asked", "asked", "24 h", "24 h", "24 h"]
    clock.advance(hours=24, seconds=1)
    await clock.settle()
    assert await ask(db, 0, organizations[3], exports_per_address=2) == "asked"


async def test_an_organization_asks_for_as_many_exports_in_a_day_as_it_may_and_others_for_theirs(db: Database) -> None:
    await founded(db, people=4, to="a{number}@example.org")
    assert [await ask(db, number, exports_per_organization=3) for number in range(4)] == ["asked"] * 3 + ["24 h"]
    other = await founded(db, new_id(), people=1, to="a3@example.org")
    assert await ask(db, 0, other, exports_per_organization=3) == "asked", "what was refused counts for nobody"


async def test_limits_that_organizations_use_up_take_nothing_from_who_asks_for_their_own(db: Database) -> None:
    await founded(db)
    assert await ask(db, exports_per_address=1) == "asked"
    async with db.tenant(PLATFORM_ORGANIZATION_ID) as session:
        await ask_my_export(session, new_id())


async def test_whose_address_is_dead_or_who_complained_gets_no_export_that_an_organization_asks_for(
    db: Database,
) -> None:
    await founded(db)
    desk = Desk(db)
    await desk.tell("mailjet", mailjet(event("unsub", await desk.sending(named="1"), number=1)))
    await desk.tell("mailjet", mailjet(event("spam", await desk.sending(named="2"), number=2)))
    assert await ask(db) == "held back"
    elsewhere = await founded(db, new_id())
    assert await ask(db, 0, elsewhere) == "asked", "they complained of another organization"
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET kind = 'data_export'"))
    third = await founded(db, new_id())
    assert await ask(db, 0, third) == "held back", "they complained of an export, which all look alike"
    async with db.platform() as session:
        await session.execute(text("UPDATE suppressions SET lifted_at = now() WHERE reason = 'complained'"))
    assert await ask(db) == "asked", "who wants no marketing may have their data"
    dead = {"hard_bounce": True, "error_related_to": "recipient", "error": "user unknown"}
    await desk.tell("mailjet", mailjet(event("bounce", await desk.sending(named="3"), number=3, **dead)))
    assert await ask(db, 0, third) == "held back"
