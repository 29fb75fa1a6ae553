"""A parcel service that tells its readers by the ways that they want: e-mail, text message, push, and the app's inbox.

pip install 'singr-comms[notifications,push]' 'singr-jobs[worker]'; then: SINGR_ORGANIZATION=… python parcel_readers.py
"""

import asyncio
import os
from uuid import UUID

import httpx
from parcel_orders import Parcels

from singr_comms.catalogue import message_types
from singr_comms.notifications import Deliveries, MessageSender, message_jobs, message_sender
from singr_comms.notifications import chores as message_chores
from singr_comms.notifying import Digests, Notified, Target, notify, read_notification
from singr_comms.notifying import chores as notifying_chores
from singr_comms.notifying import jobs as notifying_jobs
from singr_comms.people import (
    DeviceInput,
    Exports,
    FrequencyChoice,
    PreferenceChoice,
    PreferencesLook,
    RecipientInput,
    change_preferences,
    preferences_holder,
    put_recipient,
    recipient_named,
    register_device,
)
from singr_comms.people import chores as people_chores
from singr_comms.people import jobs as people_jobs
from singr_comms.people.inbox import list_inbox
from singr_config import ObjectStoreSettings, load_section
from singr_db import Database, Sealer, TenantSession
from singr_db import chores as database_chores
from singr_db.chores import Chore, build_chores
from singr_db.redis import redis_client
from singr_jobs import Jobs, JobWorker, Waker, redis_transport
from singr_jobs import chores as job_chores
from singr_observability import Metrics, build_metrics

message_types.add_package("parcel_messages")
WAYS = ("email", "sms", "push", "inbox")


async def joins(session: TenantSession, reader: str, given: RecipientInput, token: str, *, sealer: Sealer) -> None:
    """Keep somebody by this service's own id of them, as often as anything of theirs changes; and their telephone."""
    await put_recipient(session, reader, given, sealer=sealer)
    device = DeviceInput(token=token, platform="android")
    await register_device(session, await recipient_named(session, reader), device, sealer=sealer)


async def wants_no(session: TenantSession, reader: str, channel: str) -> None:
    """Note that somebody wants to hear of parcels, but not by this way."""
    choice = PreferenceChoice(scope="category", name="parcels", channel=channel, allowed=False)
    await change_preferences(session, await preferences_holder(session, reader), [choice], source="recipient")


async def wants_it_weekly(session: TenantSession, reader: str) -> None:
    """Note that somebody wants to hear of parcels in one mail a week."""
    weekly = FrequencyChoice(scope="category", name="parcels", frequency="weekly")
    holder = await preferences_holder(session, reader)
    await change_preferences(session, holder, frequencies=[weekly], source="recipient")


async def has_come(session: TenantSession, reader: str, number: str, *, sealer: Sealer) -> Notified:
    """Tell somebody of their parcel, in the transaction that notes it: once, however often this is called."""
    return await notify(
        session,
        "parcel_ready",
        Target(recipient=reader),
        sealer=sealer,
        data={"user_name": "Jane", "shop": "Corner", "link": f"https://parcels.example/{number}"},
        channels=WAYS,
        deduplication_key=f"parcel-{number}",
    )


async def came_of(db: Database, organization_id: UUID, told: Notified, *, sealer: Sealer) -> dict[str, str]:
    """Wait until it has come to something; return what became of it by each way, and why not."""
    state = told.state
    while state != "done":
        await asyncio.sleep(0.05)
        async with db.tenant(organization_id) as session:
            found = await read_notification(session, told.id)
            state = "done" if found is None else found.state
    async with db.tenant(organization_id) as session:
        page = await Deliveries(sealer).list(session, notification_id=told.id)
    return {one.channel: one.status if one.error is None else f"{one.status}: {one.error.code}" for one in page.items}


async def inbox_of(db: Database, organization_id: UUID, reader: str, *, sealer: Sealer) -> list[str]:
    """What somebody reads in the app, newest first."""
    async with db.tenant(organization_id) as session:
        recipient = await recipient_named(session, reader)
        page = await list_inbox(session, sealer, recipient.id)
    return [f"{item.title}: {item.body}" for item in page.items]


def all_jobs() -> Jobs:
    """What a worker does: decide who is told, send, and forget who is erased."""
    jobs = Jobs()
    for some in (message_jobs(), notifying_jobs, people_jobs):
        jobs.include(some)
    return jobs


def all_chores(settings: Parcels, db: Database, metrics: Metrics) -> list[Chore]:
    """What it does beside them, every so often: see notifications to their end, make partitions, delete what is old."""
    parts = (db, db.psycopg, metrics, settings.retention)
    return build_chores(parts, database_chores, job_chores, message_chores, notifying_chores, people_chores)


async def work(settings: Parcels, db: Database, sealer: Sealer, http: httpx.AsyncClient) -> None:
    """Be a worker until this is cancelled; in earnest a process of its own."""
    redis, metrics = redis_client(settings.redis), build_metrics()
    sender = message_sender(settings, db=db, sealer=sealer, http=http, metrics=metrics, last_look=PreferencesLook())
    worker = JobWorker(
        db.psycopg,
        redis,
        redis_transport(settings.redis),
        all_jobs(),
        resources={
            Database: db,
            MessageSender: sender,
            Digests: Digests(db, sealer, settings.app, settings.brand),
            Exports: Exports(db, sealer, load_section(ObjectStoreSettings), brand=settings.brand),
        },
        name="parcels",
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            for chore in all_chores(settings, db, metrics):
                tasks.create_task(chore.run())
    finally:
        await worker.stop()
        await sender.close()
        await redis.aclose()


async def run(settings: Parcels, organization_id: UUID) -> None:
    """Tell somebody of two parcels, by all ways and then by those that they want."""
    sealer = Sealer(settings.auth.secret)
    db = Database(settings.database, application_name="parcels")
    jane = RecipientInput(name="Jane", email="jane@example.org", phone="+15555550100", locale="de")
    async with db, httpx.AsyncClient() as http:
        waker = redis_client(settings.redis)
        Waker(waker).attach(db.session_info)
        working = asyncio.create_task(work(settings, db, sealer, http))
        async with db.tenant(organization_id) as session:
            await joins(session, "reader-7", jane, "device-token:0123456789", sealer=sealer)
            told = await has_come(session, "reader-7", "A-1", sealer=sealer)
        print(await came_of(db, organization_id, told, sealer=sealer))
        async with db.tenant(organization_id) as session:
            await wants_no(session, "reader-7", "sms")
            told = await has_come(session, "reader-7", "A-2", sealer=sealer)
        print(await came_of(db, organization_id, told, sealer=sealer))
        print(await inbox_of(db, organization_id, "reader-7", sealer=sealer))
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await waker.aclose()


if __name__ == "__main__":
    asyncio.run(run(load_section(Parcels), UUID(os.environ["SINGR_ORGANIZATION"])))
