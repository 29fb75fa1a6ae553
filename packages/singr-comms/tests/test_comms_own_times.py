"""Times that people set themselves, beside what their organization puts of them; in memory and with a database."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from comms_members import Everybody
from comms_queueing import SEALER

from singr_comms.people import (
    DigestTime,
    NamedRecipient,
    OwnTimes,
    QuietHours,
    RecipientInput,
    import_recipients,
    preferences_holder,
    put_recipient,
    read_recipient,
    set_times,
)

NIGHT, NOON = QuietHours(starts="22:00", ends="07:30", days=[1, 5]), QuietHours(starts="12:00", ends="13:00")
HERS = OwnTimes(time_zone="Asia/Kathmandu", quiet_hours=NIGHT, digest=DigestTime(at="18:00", weekday=5))


async def put(session: Any, **given: Any) -> OwnTimes:
    asked = RecipientInput(phone="+15555550177", **given)
    await put_recipient(session, "ada", asked, sealer=SEALER, directory=Everybody())
    return await times(session)


async def times(session: Any) -> OwnTimes:
    view = await read_recipient(session, "ada", sealer=SEALER)
    return OwnTimes(time_zone=view.time_zone, quiet_hours=view.quiet_hours, digest=view.digest)


async def choose(session: Any, own: OwnTimes) -> None:
    await set_times(session, await preferences_holder(session, "ada"), own)


async def test_what_somebody_set_themselves_stays_until_the_organization_names_it(tenant: Callable[[], Any]) -> None:
    async with tenant() as session:
        await put(session, time_zone="Europe/Vienna", quiet_hours=NOON)
        await choose(session, HERS)
        assert await put(session) == HERS
        named = await put(session, quiet_hours=NOON)
        assert named == OwnTimes(time_zone=HERS.time_zone, quiet_hours=NOON, digest=HERS.digest), (
            "the one that is named"
        )
        left = await put(session)
        assert left == OwnTimes(time_zone=HERS.time_zone, digest=HERS.digest), "the organization's own, as ever"
        await import_recipients(session, [NamedRecipient(external_id="ada")], sealer=SEALER)
        assert await times(session) == left


async def test_what_somebody_cleared_or_somebody_else_had_is_kept_for_nobody(tenant: Callable[[], Any]) -> None:
    async with tenant() as session:
        await put(session, user_id=UUID(int=1))
        await choose(session, HERS)
        await choose(session, OwnTimes(digest=HERS.digest))
        assert await put(session, user_id=UUID(int=1)) == OwnTimes(digest=HERS.digest)
        assert await put(session, user_id=UUID(int=2)) == OwnTimes(), "another person's id"
