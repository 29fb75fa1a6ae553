"""Who is erased can be read nowhere: in no row, by no seal that the master key opens, and not in Redis (S12, S25)."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from comms_callbacks import mailjet
from comms_queueing import ORGANIZATION, SEALER, sender_for
from comms_told import Desk
from sqlalchemy import text

from singr_comms import MemoryEmailProvider
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifying import FanOut, Target, notify
from singr_comms.people import (
    DeviceInput,
    EraseByKey,
    RecipientInput,
    TopicChange,
    change_topic,
    erase_recipient,
    put_recipient,
    recipient_named,
    register_device,
)
from singr_comms.people.privacy._blanking import Blanking
from singr_db import Database, SealError
from singr_db.tables import Organization

HERS = {
    "name": "Canary Jones",
    "email": "canary-7731@example.org",
    "phone": "+15555550177",
    "device": "canary-token:0123456789",
    "words for all": "canary words of her order",
    "words for her": "canary words for her alone",
    "words to her address": "canary words to her bare address",
}
CHANNELS = ["email", "sms", "push", "inbox"]
SOURCES = Path(__file__).parents[2]
_TABLES = """
SELECT c.oid::regclass::text, array_agg(a.attname) FILTER (WHERE a.atttypid = 'bytea'::regtype)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1
"""


@cache
def contexts() -> frozenset[str]:
    """What seals are for, of all packages: a seal opens for its own context alone."""
    words = {"messages.recipient", "messages.content", "recipients.name", "webhooks.callback"}
    for file in SOURCES.glob("*/src/**/*.py"):
        for line in file.read_text().splitlines():
            if "CONTEXT" in line and "=" in line:
                words.update(line.split('"')[1::2])
    return frozenset(words)


async def everything(db: Database) -> str:
    """Every row as text, and whatever the master key opens in it."""
    lines: list[str] = []
    async with db.platform() as session:
        for name, binary in (await session.execute(text(_TABLES))).all():
            lines += (await session.scalars(text(f"SELECT t::text FROM {name} AS t"))).all()
            for column in binary or ():
                sealed = (await session.scalars(text(f"SELECT {column} FROM {name} WHERE {column} <> ''"))).all()
                lines += filter(None, itertools.starmap(opened, itertools.product(sealed, contexts())))
    return "\n".join(lines)


def opened(sealed: bytes, context: str) -> str:
    try:
        return open_sealed(SEALER, bytes(sealed), None, context=context).decode(errors="replace")
    except (SealError, ValueError):
        return ""


async def settle(db: Database) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        given = RecipientInput(email=HERS["email"], name=HERS["name"], phone=HERS["phone"])
        await put_recipient(session, "u-1", given, sealer=SEALER)
        await put_recipient(session, "u-2", RecipientInput(email="other@example.org"), sealer=SEALER)
        row = await recipient_named(session, "u-1")
        await register_device(session, row, DeviceInput(token=HERS["device"], platform="ios"), sealer=SEALER)
        await change_topic(session, "farm-9", TopicChange(add=["u-1", "u-2"]))


async def tell(db: Database, words: str, target: Target, **how: Any) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        told = await notify(session, "plain", target, data={"title": "News", "text": words}, sealer=SEALER, **how)
    return told.id


async def told_and_sent(db: Database) -> None:
    """What is sent, what waits for its time, what is kept for a digest, and what her provider said of a mail."""
    her, bare = Target(recipient="u-1"), Target(email=HERS["email"])
    alone = Target(recipient="u-1", data={"text": HERS["words for her"]})
    now = [
        await tell(db, HERS["words for all"], her, channels=CHANNELS),
        await tell(db, "to nobody", alone, channels=CHANNELS),
        await tell(db, HERS["words to her address"], bare, channels=["email"]),
        await tell(db, HERS["words for all"], her, channels=["email", "inbox"], digest="daily"),
    ]
    for one in now:
        await FanOut(db).run(one, organization_id=ORGANIZATION, turn=1)
    mails = MemoryEmailProvider()
    sender = sender_for(db, email=mails)
    desk = Desk(db)
    asked = "SELECT id, channel FROM messages WHERE status = 'queued' ORDER BY id"
    for message_id, channel in await desk.sql(asked):
        await sender.send(channel, message_id, organization_id=ORGANIZATION, is_last_attempt=True)
    assert {one.to.email for one in mails.sent} == {HERS["email"]}
    await desk.sql("UPDATE message_attempts SET provider = 'mailjet', provider_message_id = NULL")
    await desk.sql("UPDATE messages SET provider = 'mailjet' WHERE channel = 'email'")
    for number, (message_id,) in enumerate(
        await desk.sql("SELECT id FROM messages WHERE status = 'sent' AND channel = 'email'")
    ):
        news = {
            "event": "sent",
            "time": 1795000000 + number,
            "MessageID": number,
            "CustomID": UUID(str(message_id)).hex,
        }
        assert await desk.tell("mailjet", mailjet([news | {"email": HERS["email"]}])) == {"applied": 1}
    await tell(db, HERS["words for her"], alone, channels=CHANNELS, deduplication_key="waits")


async def test_nothing_of_who_is_erased_can_be_read_anywhere(db: Database, redis_url: str) -> None:
    await settle(db)
    await told_and_sent(db)
    before = await everything(db)
    assert {name for name, secret in HERS.items() if secret in before} >= {"email", "words for all"}, "it is looked for"
    async with db.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "u-1", sealer=SEALER)
    for is_last in (False, True):
        async with db.platform() as session:
            asked = text("SELECT payload FROM jobs WHERE type = 'recipient.erase_by_key' ORDER BY created_at LIMIT 1")
            payload = await session.scalar(asked)
        job = EraseByKey(UUID(payload["recipient_id"]), UUID(payload["key_id"]), is_last=is_last)
        await Blanking(db).run(job, organization_id=ORGANIZATION)
    left = await everything(db)
    with redis.Redis.from_url(redis_url) as client:
        left += "".join(f"{name!r}{client.dump(name)!r}" for name in client.scan_iter())
    told = [line for line in left.splitlines() if any(secret in line for secret in HERS.values())]
    assert told == []
    assert "o***@example.org" in left, "it is looked at what is there"
