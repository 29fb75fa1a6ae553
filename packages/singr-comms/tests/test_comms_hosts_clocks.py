"""What waits and what expires goes by PostgreSQL's clock, however far off the clock of the host is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from comms_crowds import Crowd
from comms_exports import NEWEST, kept_in
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.messages.pickup_reminder import MESSAGE_TYPE as REMINDER
from singr_comms.notifying import Audience, Target, remind_of_pickup
from singr_comms.people import EraseByKey, Exports, ask_export, withdraw_account_exports
from singr_comms.people.exporting._job import HOURS
from singr_comms.people.privacy._blanking import Blanking
from singr_config.clock import clock as process_clock
from singr_db import new_id

HOUR = timedelta(hours=1)
DUE = "SELECT extract(epoch FROM run_at - now())::float8 FROM jobs WHERE {} ORDER BY run_at DESC LIMIT 1"
SAID = dict(REMINDER.samples())["sms"]


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"])
def host(request: pytest.FixtureRequest, crowd: Crowd) -> Iterator[timedelta]:
    """A host whose clock is an hour off, and the database's is right."""
    assert crowd.db
    off = request.param // timedelta(microseconds=1) * 1_000
    shift = process_clock.ahead_ns()
    with process_clock.moved(lambda: shift + off):
        yield request.param


async def asked(crowd: Crowd, statement: str, **values: Any) -> Any:
    async with crowd.db.platform() as session:
        return await session.scalar(text(statement), values)


async def due_in(crowd: Crowd, which: str) -> float:
    """Seconds until the last such job is due."""
    return float(await asked(crowd, DUE.format(which)))


async def test_a_rate_holds_where_the_hosts_clock_is_off(crowd: Crowd, host: timedelta) -> None:
    await crowd.add(*(f"u-{number}" for number in range(11)))
    told = await crowd.tell(PlainSms(text="1"), Audience(all=True), per_minute=60)
    assert await crowd.decide(told) == 10
    assert 0 < await due_in(crowd, "type = 'notification.fan_out'") <= 10, host


async def test_a_message_lives_as_long_as_its_type_says_where_the_hosts_clock_is_off(
    crowd: Crowd, host: timedelta
) -> None:
    await crowd.add("u-1")
    await crowd.decide(await crowd.tell(SAID, [Target(recipient="u-1")]))
    lives = await asked(crowd, "SELECT expires_at - now() FROM messages")
    assert timedelta(seconds=REMINDER.time_to_live - 60) < lives <= timedelta(seconds=REMINDER.time_to_live), host


async def test_a_pickup_to_come_is_reminded_of_where_the_hosts_clock_is_off(crowd: Crowd, host: timedelta) -> None:
    await crowd.add("u-1")
    pickup = await asked(crowd, "SELECT now() + interval '30 minutes'")
    data = msgspec.structs.asdict(dict(REMINDER.samples())["email"])
    async with crowd.db.tenant(crowd.organization) as session:
        told = await remind_of_pickup(
            session, "A-1", Target(recipient="u-1"), pickup=pickup, sealer=crowd.sealer, data=data
        )
    assert told is not None, host


async def test_the_last_look_at_who_is_erased_waits_where_the_hosts_clock_is_off(crowd: Crowd, host: timedelta) -> None:
    await Blanking(crowd.db).run(EraseByKey(new_id(), new_id()), organization_id=crowd.organization)
    assert 290 < await due_in(crowd, "type = 'recipient.erase_by_key'") <= 300, host


async def test_an_export_lasts_as_long_as_it_says_where_the_hosts_clock_is_off(
    crowd: Crowd, host: timedelta, tmp_path: Path
) -> None:
    await crowd.add("u-1")
    await crowd.run("UPDATE recipients SET address_changed_at = NULL, user_id = NULL")
    removal, lasts = "type = 'person.export_remove'", "SELECT extract(epoch FROM expires_at - now())::float8"
    async with crowd.db.tenant(crowd.organization) as session:
        await ask_export(session, "u-1", sealer=crowd.sealer)
    export_id = await asked(crowd, str(NEWEST))
    assert 86_300 < await asked(crowd, f"{lasts} FROM data_exports") <= 86_400, host
    assert 86_300 < await due_in(crowd, removal) <= 86_400
    exports = Exports(crowd.db, crowd.sealer, kept_in(tmp_path))
    assert await exports.write(export_id, crowd.organization) == "ready"
    written = await asked(crowd, f"{lasts} FROM data_exports")
    assert HOURS * 3_600 - 100 < written <= HOURS * 3_600
    assert abs(await due_in(crowd, removal) - written) < 1
    await exports.close()


async def test_what_a_withdrawn_export_left_is_looked_for_again_where_the_hosts_clock_is_off(
    crowd: Crowd, host: timedelta
) -> None:
    whose = new_id()
    await crowd.run(
        "INSERT INTO data_exports (id, organization_id, subject_id, user_id, expires_at)"
        " VALUES (:id, :organization, :whose, :whose, now() + interval '1 day')",
        id=new_id(),
        whose=whose,
    )
    async with crowd.db.platform() as session:
        await withdraw_account_exports(session, whose)
    assert 3_500 < await due_in(crowd, "type = 'person.export_remove'") <= 3_600, host
