"""A service with a database: what is stored of a parcel and the mail about it come to be together, or not at all.

pip install 'singr-comms[notifications]' 'singr-jobs[worker]'; then: SINGR_ORGANIZATION=… python parcel_orders.py
"""

import asyncio
import os
from uuid import UUID

import httpx
import msgspec
from parcel_messages.parcel_ready import ParcelReady
from sqlalchemy import text

from singr_comms import EmailAddress, message_types
from singr_comms.notifications import (
    Deliveries,
    DeliveryDetail,
    EmailRequest,
    MessageSender,
    Queued,
    message_jobs,
    message_sender,
    queue_message,
)
from singr_comms.notifications import chores as message_chores
from singr_config import (
    AppSettings,
    AuthSettings,
    BrandSettings,
    DatabaseSettings,
    EmailSettings,
    LimitSettings,
    PushSettings,
    RedisSettings,
    RetentionSettings,
    SmsSettings,
    load_section,
)
from singr_db import Database, Sealer, TenantSession
from singr_db import chores as database_chores
from singr_db.chores import Chore, build_chores
from singr_db.redis import redis_client
from singr_jobs import JobWorker, Queue, QueueOptions, Waker, WorkerOptions, read_job, redis_transport
from singr_jobs import chores as job_chores
from singr_observability import Metrics, build_metrics

message_types.add_package("parcel_messages")
# Its table: CREATE TABLE parcels_told (organization_id uuid, number text, PRIMARY KEY (organization_id, number))
# Sessions of one organization act as this role: GRANT SELECT, INSERT ON parcels_told TO singr_tenant
TOLD = text(
    "INSERT INTO parcels_told (organization_id, number) VALUES (:organization_id, :number)"
    " ON CONFLICT DO NOTHING RETURNING number"
)
ENDED = ("completed", "failed", "cancelled")


class Parcels(msgspec.Struct, frozen=True, kw_only=True):
    """What this service reads of its environment: `DATABASE_URL`, `AUTH_SECRET`, `EMAIL_PROVIDER` and so on."""

    app: AppSettings
    auth: AuthSettings
    brand: BrandSettings
    database: DatabaseSettings
    redis: RedisSettings
    limits: LimitSettings
    retention: RetentionSettings
    email: EmailSettings
    sms: SmsSettings
    push: PushSettings


async def has_come(session: TenantSession, number: str, email: str, *, sealer: Sealer) -> Queued:
    """Queue the mail in the caller's transaction, beside whatever else it stores; no second while this one waits."""
    message = ParcelReady(user_name="Jane", shop="Corner", link=f"https://parcels.example/{number}")
    return await queue_message(
        session,
        EmailRequest(to=EmailAddress(email), message=message),
        sealer=sealer,
        organization_id=session.organization_id,
        unique_key=f"parcel-{number}",
    )


async def has_come_once(session: TenantSession, number: str, email: str, *, sealer: Sealer) -> Queued | None:
    """Queue the mail once for good; None where that was done, however long ago."""
    told = await session.execute(TOLD, {"organization_id": session.organization_id, "number": number})
    return await has_come(session, number, email, sealer=sealer) if told.first() else None


async def came_of(db: Database, organization_id: UUID, queued: Queued, *, sealer: Sealer) -> DeliveryDetail:
    """Wait until its job has ended; return what the delivery log tells."""
    status = "pending"
    while status not in ENDED:
        await asyncio.sleep(0.05)
        async with db.tenant(organization_id) as session:
            status = (await read_job(session, queued.job_id)).status
    async with db.tenant(organization_id) as session:
        found = queued.message_id and await Deliveries(sealer).read(session, queued.message_id)
    if not found:
        raise LookupError("the message is no longer kept")
    return found


def all_chores(settings: Parcels, db: Database, metrics: Metrics) -> list[Chore]:
    """What a worker does beside its jobs, every so often: make room for the weeks to come, delete what is old."""
    parts = (db, db.psycopg, metrics, settings.retention)
    return build_chores(parts, database_chores, job_chores, message_chores)


async def work(settings: Parcels, db: Database, sealer: Sealer, http: httpx.AsyncClient) -> None:
    """Be a worker until this is cancelled; in earnest a process of its own."""
    redis, metrics = redis_client(settings.redis), build_metrics()
    sender = message_sender(settings, db=db, sealer=sealer, http=http, metrics=metrics)
    worker = JobWorker(
        db.psycopg,
        redis,
        redis_transport(settings.redis),
        message_jobs(),
        resources={MessageSender: sender},
        name="parcels",
        options=WorkerOptions(queues={Queue.EMAIL: QueueOptions(concurrency=5)}),
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
    """Be service and worker in one."""
    sealer, redis = Sealer(settings.auth.secret), redis_client(settings.redis)
    db = Database(settings.database, application_name="parcels")
    async with db, httpx.AsyncClient() as http:
        Waker(redis).attach(db.session_info)
        working = asyncio.create_task(work(settings, db, sealer, http))
        async with db.tenant(organization_id) as session:
            queued = await has_come(session, "7", "jane@example.org", sealer=sealer)
        told = await came_of(db, organization_id, queued, sealer=sealer)
        print(told.kind, told.status, told.recipient, told.provider)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(run(load_section(Parcels), UUID(os.environ["SINGR_ORGANIZATION"])))
