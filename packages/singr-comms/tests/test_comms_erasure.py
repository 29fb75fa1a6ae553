"""Who is erased is in no row any more, and nothing that waits goes to them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_queueing import EMAIL, ORGANIZATION, SEALER, queued_for, sender_for
from sqlalchemy import text

from singr_comms import EmailAddress, MemoryEmailProvider
from singr_comms.notifications import EmailRequest
from singr_comms.notifications.chores._forget_keys import ForgetKeys
from singr_comms.people import (
    DeviceInput,
    EraseByKey,
    EraseRecipient,
    PeopleError,
    PreferenceChoice,
    PreferencesHolder,
    RecipientInput,
    RecipientNotFoundError,
    TopicChange,
    change_preferences,
    change_topic,
    erase_recipient,
    list_devices,
    put_recipient,
    recipient_named,
    register_device,
    remove_recipient,
)
from singr_comms.people.privacy._blanking import Blanking
from singr_config import Secret
from singr_db import Database, Sealer, TenantSession
from singr_db.tables import Organization, Recipient
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError

CANARY = "canary@example.org"
TO_HER = EmailRequest(to=EmailAddress(CANARY, "Canary"), message=EMAIL.message)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_COPY = """
UPDATE messages m SET recipient_sealed = r.email_sealed, key_id = r.key_id, recipient_id = r.id,
       recipient_hash = r.email_hash, recipient_masked = r.email_masked FROM recipients r
 WHERE m.id = :id AND r.external_id = 'u-1'"""


@pytest.fixture
async def person(db: Database) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        given = RecipientInput(email=CANARY, name="Canary", phone="+15555550177")
        await put_recipient(session, "u-1", given, sealer=SEALER)
        device = DeviceInput(token="canary-token:0123456789", platform="ios")
        await register_device(session, await recipient_named(session, "u-1"), device, sealer=SEALER)


async def messages(db: Database) -> list[UUID]:
    """One to the recipient, one to their address alone, one to somebody else."""
    made = await queued_for(db, ORGANIZATION, [TO_HER, TO_HER, EMAIL])
    async with db.platform() as session:
        await session.execute(text(_COPY), {"id": made[0]})
        await session.execute(
            text(
                "INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)"
                " SELECT gen_random_uuid(), organization_id, channel, recipient_hash, recipient_masked, 'all',"
                " 'complained' FROM messages WHERE id = :id"
            ),
            {"id": made[0]},
        )
    return made


async def erased(db: Database) -> EraseByKey:
    async with db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
    return await erasing(db)


async def erasing(db: Database) -> EraseByKey:
    """The job, as whoever runs it gets it."""
    async with db.platform() as session:
        [told] = (await session.scalars(text("SELECT payload FROM jobs WHERE type = 'recipient.erase_by_key'"))).all()
    return msgspec.convert(told | {"type": "recipient.erase_by_key"}, EraseByKey)


async def kept_prints(db: Database) -> list[int]:
    """How many fingerprints each key still keeps."""
    async with db.platform() as session:
        counted = text("SELECT cardinality(prints) FROM data_keys WHERE prints IS NOT NULL")
        return list((await session.scalars(counted)).all())


async def rows(db: Database, ids: list[UUID]) -> list[Any]:
    read = "SELECT status, error ->> 'code', recipient_masked, length(recipient_sealed), length(content_sealed)"
    async with db.platform() as session:
        found = await session.execute(text(f"{read} FROM messages WHERE id = ANY(:ids) ORDER BY id"), {"ids": ids})
        return [tuple(row) for row in found]


async def tries(db: Database, message_id: UUID) -> str:
    provider = MemoryEmailProvider()
    try:
        await sender_for(db, email=provider).send(
            "email", message_id, organization_id=ORGANIZATION, is_last_attempt=True
        )
    except PermanentError as error:
        assert provider.sent == []
        return error.code
    return "sent"


@pytest.mark.usefixtures("person")
async def test_an_erased_person_is_in_no_row_and_gets_nothing_that_waits(db: Database) -> None:
    made = await messages(db)
    job = await erased(db)
    assert await kept_prints(db) == [3]
    assert await tries(db, made[0]) == "erased"  # at once, before anything is blanked
    assert await Blanking(db).run(job, organization_id=ORGANIZATION) == 2
    hers, alone, other = await rows(db, made)
    assert hers == alone == ("suppressed", "erased", "erased", 0, 0)
    assert (other[0], other[2]) == ("queued", "j***@example.org")
    assert await tries(db, made[1]) == "erased"
    async with db.platform() as session:
        left = text("SELECT (SELECT count(*) FROM recipients) + (SELECT count(*) FROM push_devices)")
        assert await session.scalar(left) == 0
        assert await session.scalar(text("SELECT wrapped IS NULL AND destroyed_at IS NOT NULL FROM data_keys"))
        [mask] = (await session.scalars(text("SELECT address_masked FROM suppressions"))).all()
        again = text("SELECT run_at > now() + interval '4 minutes' FROM jobs WHERE payload ->> 'is_last' = 'true'")
        assert (await session.scalars(again)).all() == [True]
        [actor] = (await session.scalars(text("SELECT kind FROM operation_log"))).all()
    assert (mask, actor) == ("erased", "recipient.erase")
    assert await tries(db, made[2]) == "sent"
    [again_hers] = await queued_for(db, ORGANIZATION, [TO_HER])
    assert await tries(db, again_hers) == "complained_before"  # what she said is kept, by its fingerprint


@pytest.mark.usefixtures("person")
async def test_what_was_decided_meanwhile_is_blanked_by_the_second_look_and_a_second_erasure_finds_nobody(
    db: Database,
) -> None:
    job = await erased(db)
    with pytest.raises(RecipientNotFoundError):
        async with db.tenant(ORGANIZATION) as session:
            await erase_recipient(session, "u-1", sealer=SEALER)
    assert await Blanking(db).run(job, organization_id=ORGANIZATION) == 0
    [late] = await queued_for(db, ORGANIZATION, [TO_HER])
    last = msgspec.structs.replace(job, is_last=True)
    assert await Blanking(db).run(last, organization_id=ORGANIZATION) == 1
    assert await kept_prints(db) == []
    assert await rows(db, [late]) == [("suppressed", "erased", "erased", 0, 0)]


@pytest.mark.usefixtures("person")
async def test_a_message_to_an_address_that_somebody_else_has_too_is_theirs(db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-2", RecipientInput(email=CANARY), sealer=SEALER)
    [shared] = await queued_for(db, ORGANIZATION, [TO_HER])
    assert await Blanking(db).run(await erased(db), organization_id=ORGANIZATION) == 0
    assert await tries(db, shared) == "sent"


@pytest.mark.usefixtures("clock", "person")  # its clock is in the connections from the start
async def test_the_key_of_who_was_taken_off_is_destroyed_after_ninety_days(db: Database, clock: VirtualClock) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
    chore = ForgetKeys(db)
    assert await chore.work() == 0
    clock.advance(days=91)
    assert await chore.work() == 1
    assert await chore.work() == 0


async def waiting(db: Database) -> int:
    async with db.platform() as session:
        return int(await session.scalar(text(WAITING)) or 0)


async def while_erased(db: Database, work: Callable[[TenantSession], Awaitable[object]]) -> Any:
    """What comes of work that has to wait for an erasure in another transaction: its result, or what it raised."""

    async def worked() -> object:
        async with db.tenant(ORGANIZATION) as session:
            return await work(session)

    async with db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
        task = asyncio.create_task(worked())
        async with asyncio.timeout(10):
            while not await waiting(db):  # noqa: ASYNC110 - PostgreSQL sets no event
                await asyncio.sleep(0.01)
    [done] = await asyncio.gather(task, return_exceptions=True)
    return done


@pytest.mark.usefixtures("person")
async def test_who_is_put_while_they_are_erased_is_somebody_new(db: Database) -> None:
    given = RecipientInput(email=CANARY)
    view, is_new = await while_erased(db, lambda session: put_recipient(session, "u-1", given, sealer=SEALER))
    assert (is_new, view.email) == (True, "c***@example.org")


async def devices(session: TenantSession, person: Recipient) -> object:
    return await register_device(
        session, person, DeviceInput(token="other-token:012345", platform="ios"), sealer=SEALER
    )


async def choices(session: TenantSession, person: Recipient) -> object:
    holder = PreferencesHolder(organization_id=ORGANIZATION, recipient_id=person.id)
    return await change_preferences(session, holder, [PreferenceChoice(scope="all", allowed=False)], source="recipient")


async def members(session: TenantSession, _person: Recipient) -> object:
    return await change_topic(session, "news", TopicChange(add=["u-1"]))


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("work", "raised"),
    [(devices, RecipientNotFoundError), (choices, RecipientNotFoundError), (members, PeopleError)],
)
async def test_who_is_erased_meanwhile_is_not_found(db: Database, work: Any, raised: type[Exception]) -> None:
    async with db.tenant(ORGANIZATION) as session:
        person = await recipient_named(session, "u-1")
    assert isinstance(await while_erased(db, lambda session: work(session, person)), raised)


@pytest.mark.usefixtures("person")
async def test_who_lost_their_key_is_put_with_another_and_can_be_taken_off(db: Database) -> None:
    async with db.platform() as session:
        await session.execute(text("DELETE FROM data_keys"))
    async with db.tenant(ORGANIZATION) as session:
        view, is_new = await put_recipient(session, "u-1", RecipientInput(name="Ada"), sealer=SEALER)
        assert (is_new, view.name) == (False, "Ada")
        assert await list_devices(session, await recipient_named(session, "u-1")) == ()
    async with db.platform() as session:
        await session.execute(text("DELETE FROM data_keys"))
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
        with pytest.raises(RecipientNotFoundError):
            await recipient_named(session, "u-1")


@pytest.mark.usefixtures("person")
async def test_who_was_taken_off_and_came_back_is_erased_as_a_whole(db: Database) -> None:
    made = await messages(db)
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
        await put_recipient(session, "u-1", RecipientInput(phone="+15555550178"), sealer=SEALER)
    job = await erased(db)
    assert (await kept_prints(db), len(job.former)) == ([4], 1)
    assert await Blanking(db).run(job, organization_id=ORGANIZATION) == 2
    hers, alone, _ = await rows(db, made)
    assert hers == alone == ("suppressed", "erased", "erased", 0, 0)
    await Blanking(db).run(msgspec.structs.replace(job, is_last=True), organization_id=ORGANIZATION)
    async with db.platform() as session:
        kept = text("SELECT wrapped, external_id, recipient_id, prints FROM data_keys")
        assert {tuple(row) for row in await session.execute(kept)} == {(None, None, None, None)}


@pytest.mark.usefixtures("person")
async def test_who_was_taken_off_is_erased_once(db: Database) -> None:
    [hers, *_] = await messages(db)
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
    job = await erased(db)
    assert await tries(db, hers) == "erased"
    assert await Blanking(db).run(job, organization_id=ORGANIZATION) == 2
    with pytest.raises(RecipientNotFoundError):
        async with db.tenant(ORGANIZATION) as session:
            await erase_recipient(session, "u-1", sealer=SEALER)


@pytest.mark.usefixtures("person")
async def test_what_was_sent_before_under_another_id_is_blanked_and_its_key_destroyed(db: Database) -> None:
    [hers, *_] = await messages(db)
    async with db.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "u-1")
        await put_recipient(session, "u-2", RecipientInput(email=CANARY), sealer=SEALER)
        await erase_recipient(session, "u-2", sealer=SEALER)
    assert await Blanking(db).run(await erasing(db), organization_id=ORGANIZATION) == 2
    assert await rows(db, [hers]) == [("suppressed", "erased", "erased", 0, 0)]
    async with db.platform() as session:
        assert await session.scalar(text("SELECT bool_and(wrapped IS NULL) FROM data_keys"))


@pytest.mark.usefixtures("person")
async def test_a_job_of_a_former_release_brings_its_fingerprints_itself(db: Database) -> None:
    [_, alone, _] = await messages(db)
    job = await erased(db)
    async with db.platform() as session:
        prints = (await session.scalars(text("SELECT unnest(prints) FROM data_keys"))).all()
    before = EraseRecipient(job.recipient_id, tuple(bytes(one).hex() for one in prints))
    assert await Blanking(db).run(before, organization_id=ORGANIZATION) == 2
    assert (await rows(db, [alone]))[0][2] == "erased"


@pytest.mark.usefixtures("person")
async def test_the_mask_of_an_address_that_somebody_else_has_too_is_kept(db: Database) -> None:
    await messages(db)
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-2", RecipientInput(email=CANARY), sealer=SEALER)
    await Blanking(db).run(await erased(db), organization_id=ORGANIZATION)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT address_masked FROM suppressions")) == "c***@example.org"


@pytest.mark.usefixtures("person")
async def test_what_was_blanked_on_its_way_and_waits_again_ends_as_erased(db: Database) -> None:
    [hers, *_] = await messages(db)
    status = text("UPDATE messages SET status = :status, key_id = NULL WHERE id = :id")
    async with db.platform() as session:
        await session.execute(status, {"id": hers, "status": "dispatched"})
    await Blanking(db).run(await erased(db), organization_id=ORGANIZATION)
    async with db.platform() as session:
        await session.execute(status, {"id": hers, "status": "queued"})
    assert await tries(db, hers) == "erased"


@pytest.mark.usefixtures("person")
async def test_what_was_sent_under_a_former_secret_is_found(db: Database) -> None:
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    [before] = await queued_for(db, ORGANIZATION, [TO_HER])
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email=CANARY), sealer=rotated)
        await erase_recipient(session, "u-1", sealer=rotated)
    assert await Blanking(db).run(await erasing(db), organization_id=ORGANIZATION) == 1
    assert await rows(db, [before]) == [("suppressed", "erased", "erased", 0, 0)]
