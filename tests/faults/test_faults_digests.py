"""Digests over both changes of clocks, with workers that die in the middle or are away (R27)."""

import asyncio
import random
from datetime import datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from singr_comms.messages.digest import Digest
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifying import Audience, ClosedDigests, Digests, FanOut, notify
from singr_comms.people import DigestTime, RecipientInput, put_recipient
from singr_comms.people.times._clock import digest_closes
from singr_config import Secret
from singr_db import Database, Sealer, new_id
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_jobs.schedules import zone

FARM = new_id()
SEALER = Sealer(Secret("d" * 40))
# The hours that one of the changes leaves out, or brings twice.
PEOPLE = {"ada": ("Europe/Berlin", "02:30"), "bob": ("America/New_York", "01:45"), "eve": ("Europe/London", "01:15")}
_MADE = text("""
SELECT r.external_id, m.created_at, m.status, m.content_sealed, k.wrapped
  FROM messages AS m JOIN recipients AS r ON r.id = m.recipient_id JOIN data_keys AS k ON k.id = m.key_id
 WHERE m.kind = 'digest' ORDER BY m.created_at, m.id
""")


class Sites:
    url_web = url_customer = "https://singr.example"


class Dies(Digests):
    """A worker that is killed with its transaction open, once all is written."""

    async def _close(self, *given: Any) -> int:
        await super()._close(*given)
        raise ConnectionResetError


def changes(now: datetime) -> list[datetime]:
    """The next two changes of Berlin's clocks, to the hour."""
    hours = [now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=count) for count in range(240, 370 * 24)]
    offsets = [hour.astimezone(zone("Europe/Berlin")).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


def next_closing(after: datetime, name: str) -> datetime:
    """When somebody's digest comes."""
    place, at = PEOPLE[name]
    return digest_closes(after, place, time.fromisoformat(at))


async def tell(db: Database, title: str) -> None:
    """Something that each of them is to read of in their next digest."""
    data = {"title": title, "text": "More of it."}
    async with db.tenant(FARM) as session:
        how: dict[str, Any] = {"sealer": SEALER, "data": data, "channels": ["email"], "digest": "daily"}
        told = await notify(session, "plain", Audience(all=True), **how)
    await FanOut(db).run(told.id, organization_id=FARM, turn=1)


async def close(db: Database) -> None:
    """One worker dies over what is due, and two others meet it at once."""
    if await due(db):
        with pytest.raises(ConnectionResetError):
            await Dies(db, SEALER, Sites()).close_due(FARM)
    done: list[ClosedDigests] = await asyncio.gather(*(Digests(db, SEALER, Sites()).close_due(FARM) for _ in range(2)))
    assert all(one.closed == one.mails for one in done), "a digest was empty"


async def due(db: Database) -> int:
    async with db.platform() as session:
        asked = text("SELECT count(*) FROM digest_windows WHERE closed_at IS NULL AND closes_at <= now()")
        return int(await session.scalar(asked) or 0)


async def mails(db: Database) -> dict[str, list[tuple[datetime, list[str]]]]:
    """What each was told, and when."""
    found: dict[str, list[tuple[datetime, list[str]]]] = {name: [] for name in PEOPLE}
    async with db.platform() as session:
        for row in (await session.execute(_MADE)).all():
            assert row.status == "queued"
            said = open_sealed(SEALER, row.content_sealed, row.wrapped, context=CONTENT)
            titles = [item.title for item in msgspec.json.decode(said, type=Digest).items]
            found[row.external_id].append((row.created_at, titles))
        await session.execute(text("DELETE FROM messages"))
    return found


@pytest.mark.parametrize("days", [3, pytest.param(20, marks=pytest.mark.full)])
async def test_over_both_changes_of_clocks_each_item_is_told_once_at_its_readers_hour(
    clock: VirtualClock, db: Database, days: int
) -> None:
    """R27: killed in the middle, two at once, nobody there over a closing, and items at that very instant."""
    draw = random.Random(27)
    async with db.platform() as session:
        session.add(Organization(id=FARM, name="Farm", slug="farm"))
    async with db.tenant(FARM) as session:
        for name, (place, at) in PEOPLE.items():
            given = RecipientInput(email=f"{name}@example.org", time_zone=place, digest=DigestTime(at=at))
            await put_recipient(session, name, given, sealer=SEALER)
    for change in changes(clock.now()):
        clock.move_to(change - timedelta(days=days / 2))
        said: list[str] = []
        for number in range(days + 1):
            for closing in sorted(next_closing(clock.now(), name) for name in PEOPLE):
                for moment in (closing - (closing - clock.now()) * draw.uniform(0.1, 0.9), closing):
                    clock.move_to(moment)
                    if number < days:
                        said.append(f"news {len(said)}")
                        await tell(db, said[-1])
                clock.move_to(closing + timedelta(seconds=5))
                if number != 1:  # nobody is there that day
                    await close(db)
        for name, told in (await mails(db)).items():
            assert [title for _, titles in told for title in titles] == said, "something was lost, or told twice"
            hours = [moment for moment, _ in told if next_closing(moment - timedelta(minutes=1), name) <= moment]
            days_of_mails = {moment.astimezone(zone(PEOPLE[name][0])).date() for moment in hours}
            assert len(days_of_mails) == len(hours), "two mails at one day's hour"
            assert len(told) - len(hours) <= 1, "one closing was missed, and made up for at once"
            assert len(hours) >= days - 1
