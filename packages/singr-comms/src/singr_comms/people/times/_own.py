"""When people are not to be disturbed and when their digests come, read and set by themselves."""

from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from singr_comms.people._errors import PeopleError, PersonFault, RecipientNotFoundError
from singr_comms.people._forms import formed
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._store import PreferencesHolder
from singr_comms.people.recipients._checks import ZONES
from singr_comms.people.recipients._model import DigestTime, QuietHours, ZoneName, times_of
from singr_comms.people.times._moving import move_digests
from singr_db import PlatformSession, TenantSession, sql_text

_BOTH: Final = ("platform", "tenant")
_READ: Final = sql_text(
    """
SELECT external_id, time_zone, quiet_from, quiet_to, quiet_days, digest_at, digest_weekday FROM recipients
 WHERE organization_id = :organization_id AND id = :recipient_id
""",
    roles=_BOTH,
)
_WRITE: Final = sql_text(
    """
UPDATE recipients
   SET time_zone = :time_zone, quiet_from = CAST(:quiet_from AS time), quiet_to = CAST(:quiet_to AS time),
       quiet_days = CAST(:quiet_days AS smallint[]), digest_at = CAST(:digest_at AS time),
       digest_weekday = CAST(:digest_weekday AS smallint), own_times = CAST(:own AS text[]), updated_at = now()
 WHERE organization_id = :organization_id AND id = :recipient_id
RETURNING external_id
""",
    roles=_BOTH,
)


class OwnTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's time zone, quiet hours and digest times; fields left out are cleared.

    Args:
        time_zone: such as `Europe/Berlin`; UTC by default.
        quiet_hours: when they are not to be disturbed: less urgent messages are held until the end, dropped, or put
            into a digest.
        digest: when their digests come: at 08:00, and on Mondays, by default.
    """

    time_zone: ZoneName | None = None
    quiet_hours: QuietHours | None = None
    digest: DigestTime | None = None


async def read_times(session: TenantSession | PlatformSession, holder: PreferencesHolder) -> OwnTimes:
    """What a recipient (`preferences_holder` and its like) has.

    Raises:
        RecipientNotFoundError: they are gone.
    """
    if isinstance(session, KeepsPeople):
        return _in_memory(session, holder)
    row: Any = (await session.execute(_READ, _which(holder))).one_or_none()
    if row is None:
        raise RecipientNotFoundError("recipient")
    quiet, digest = times_of(row)
    return OwnTimes(time_zone=row.time_zone, quiet_hours=quiet, digest=digest)


async def set_times(session: TenantSession | PlatformSession, holder: PreferencesHolder, given: OwnTimes) -> OwnTimes:
    """Keep all of them in the caller's transaction; digests that are to come move with them.

    They stay when the organization puts the person, but for those that it names then.

    Raises:
        PeopleError: a field has not its form, or there is no such time zone.
        RecipientNotFoundError: they are gone.
    """
    given, faults = formed(given, OwnTimes)
    if not faults and given.time_zone is not None and (wrong := await ZONES.wrong(session, given.time_zone)):
        faults.append(PersonFault("time_zone", wrong, "unknown_value"))
    if faults:
        raise PeopleError(*faults)
    quiet, digest = given.quiet_hours, given.digest
    values = _which(holder) | {
        "time_zone": given.time_zone,
        "quiet_from": quiet and quiet.starts,
        "quiet_to": quiet and quiet.ends,
        "quiet_days": sorted(set(quiet.days)) if quiet and quiet.days else None,
        "digest_at": digest and digest.at,
        "digest_weekday": digest and digest.weekday,
        "own": [field for field, value in asdict(given).items() if value is not None],
    }
    if isinstance(session, KeepsPeople):
        _in_memory(session, holder)
        session.people.set_times(holder.external_id or "", asdict(given))
        return await read_times(session, holder)
    external_id = await session.scalar(_WRITE, values)
    if external_id is None:
        raise RecipientNotFoundError("recipient")
    await move_digests(session, [external_id], organization_id=holder.organization_id)
    return await read_times(session, holder)


def _in_memory(session: KeepsPeople, holder: PreferencesHolder) -> OwnTimes:
    person = next((one for one in session.people.by_id().values() if one.id == holder.recipient_id), None)
    if person is None:
        raise RecipientNotFoundError("recipient")
    given = person.given
    return OwnTimes(time_zone=given.time_zone, quiet_hours=given.quiet_hours, digest=given.digest)


def _which(holder: PreferencesHolder) -> dict[str, Any]:
    return {"organization_id": holder.organization_id, "recipient_id": holder.recipient_id}
