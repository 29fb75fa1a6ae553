"""Changes of one organization's people, two at once: whatever they are, it keeps an owner or ends with its people.

The first change is made and left uncommitted; the second one begins, and either finds out or waits; then the first is
committed. So nothing depends on who is quicker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from organizations_support import CLIENT, House, acting
from sqlalchemy import text
from standing_support import Place

from singr_auth.accounts import Administration
from singr_auth.accounts.people._users import user_by_id
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._sessions import Sessions
from singr_config import Secret
from singr_db import Database, Sealer

_ANONYMISE = text("UPDATE users SET status = 'deleted', email = NULL, email_key = NULL WHERE id = :id")
_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE NOT l.granted AND a.datname = current_database())"
)


class Club:
    """An organization with an owner, perhaps with a second one, and somebody who is invited."""

    def __init__(self, db: Database, *, owners: int, invited_as: str) -> None:
        self.db, self.house, self.owners, self.invited_as = db, House(db), owners, invited_as
        self.administration = Administration(
            notifier=self.house.notifier, sessions=Sessions(db), one_time=OneTimeTokens(Sealer(Secret("s" * 40)))
        )

    async def open(self) -> "Club":
        self.owner, self.guest = await self.house.person(), await self.house.person("guest@example.org")
        self.id = await self.house.organization(self.owner)
        self.second = self.owner
        if self.owners > 1:
            self.second = await self.house.member(self.id, "customer_owner")
        _, self.token = await self.house.invite(self.id, self.owner, "guest@example.org", self.invited_as)
        return self

    async def close(self) -> None:
        """Make room for the next one with the same guest."""
        async with self.db.platform() as session:
            await session.execute(text("UPDATE users SET email = id || '@x', email_key = id || '@x'"))


Act = Callable[[Club, Any], Awaitable[Any]]


async def _accept(club: Club, session: Any) -> None:
    await club.house.invitations.accept(session, club.token, user_id=club.guest, client=CLIENT)


async def _end(club: Club, session: Any, user_id: UUID) -> None:
    await user_by_id(session, user_id, lock=True)
    await club.house.members.leave_all(session, user_id, client=CLIENT)
    await session.execute(_ANONYMISE, {"id": user_id})


def _first(act: Callable[[Club, Any, UUID], Awaitable[Any]]) -> Act:
    return lambda club, session: act(club, session, club.owner)


def _second(act: Callable[[Club, Any, UUID], Awaitable[Any]]) -> Act:
    return lambda club, session: act(club, session, club.second)


async def _leave(club: Club, session: Any, who: UUID) -> None:
    await club.house.members.leave(session, club.id, actor=acting(who))


async def _remove(club: Club, session: Any, who: UUID) -> None:
    other = club.second if who == club.owner else club.owner
    await club.house.members.remove(session, club.id, other, actor=acting(who))


async def _demote(club: Club, session: Any, who: UUID) -> None:
    other = club.second if who == club.owner else club.owner
    await club.house.members.change_role(session, club.id, other, role="customer_staff", actor=acting(who))


async def _disable(club: Club, session: Any, who: UUID) -> None:
    await club.administration.disable(session, who, actor="operator-shell")


async def _delete(club: Club, session: Any, who: UUID) -> None:
    await club.house.organizations.delete(session, club.id, user_id=who, client=CLIENT)


ACTS: dict[str, Callable[[Club, Any, UUID], Awaitable[Any]]] = {
    "leave": _leave,
    "remove": _remove,
    "demote": _demote,
    "delete the account": _end,
    "disable": _disable,
    "delete the organization": _delete,
}


async def _at_once(db: Database, first: Act, second: Act, club: Club) -> list[str]:
    """What both ended in: "done", or the name of the error."""

    async def later() -> None:
        async with db.platform() as session:
            await second(club, session)

    ended = []
    task: asyncio.Task[None] | None = None
    try:
        async with db.platform() as session:
            await first(club, session)
            task = asyncio.create_task(later())
            while not task.done() and not await _waits(db):  # noqa: ASYNC110 — a lock of the database tells nobody
                await asyncio.sleep(0.005)
        ended.append("done")
    except Exception as error:  # noqa: BLE001 — its name is what is asked for
        ended.append(type(error).__name__)
    if task is None:
        return ended
    found = await asyncio.gather(task, return_exceptions=True)
    return [*ended, "done" if found[0] is None else type(found[0]).__name__]


async def _waits(db: Database) -> bool:
    async with db.platform() as session:
        return bool(await session.scalar(_WAITS))


async def _standing(club: Club) -> tuple[int, int]:
    """How many members there are, and how many of them own it."""
    async with club.db.platform() as session:
        row = await session.execute(
            text(
                "SELECT count(*), count(*) FILTER (WHERE r.name = 'customer_owner') FROM memberships m"
                " JOIN roles r ON r.id = m.role_id WHERE m.organization_id = :id"
            ),
            {"id": club.id},
        )
        members, owners = row.one()
    return members, owners


EXPECTED_ERRORS = {
    "done",
    *("ConflictError", "NotAllowedError", "NotFoundError", "OrganizationError", "ScopeError", "TokenRefusedError"),
}


async def _check(db: Database, club: Club, first: Act, second: Act) -> None:
    await club.open()
    ended = await _at_once(db, first, second, club)
    assert set(ended) <= EXPECTED_ERRORS, ended
    members, owners = await _standing(club)
    assert owners or not members, f"{ended}: {members} members and no owner"
    await club.close()


@pytest.mark.parametrize("role", ["customer_staff", "customer_owner"])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_organization_that_somebody_joins_while_its_only_owner_goes_keeps_one_or_ends(
    db: Database, act: Callable[[Club, Any, UUID], Awaitable[Any]], role: str
) -> None:
    for first, second in ((_accept, _first(act)), (_first(act), _accept)):
        await _check(db, Club(db, owners=1, invited_as=role), first, second)


async def test_somebody_who_registers_while_the_only_owner_deletes_their_account_is_refused(db: Database) -> None:
    club = Club(db, owners=1, invited_as="customer_staff")
    await club.open()
    await club.close()  # nobody has the invited address

    async def register(club: Club, _: Any) -> None:
        password = Secret("a long road to the microphone")
        await club.house.registration.register(club.token, name="Guest", password=password, client=CLIENT)

    assert await _at_once(db, _first(ACTS["delete the account"]), register, club) == ["done", "TokenRefusedError"]
    assert await _standing(club) == (0, 0)


async def test_member_who_is_removed_while_they_delete_their_account_is_rid_of_both(db: Database) -> None:
    club = await Club(db, owners=2, invited_as="customer_staff").open()
    assert await _at_once(db, _first(_remove), _second(ACTS["delete the account"]), club) == ["done", "done"]


async def test_key_is_made_while_its_holders_row_is_held(db: Database) -> None:
    """Else whoever makes it would wait for the person, while the end of their account waits for the organization."""
    place = Place(db)
    await place.prepare()
    async with db.platform() as held, db.tenant(place.organization) as session:
        await user_by_id(held, place.owner, lock=True)
        await session.execute(text("SET LOCAL lock_timeout = '2s'"))
        options = {"name": "till", "scopes": ["jobs:read"], "actor": acting(place.owner)}
        await place.manager.create(session, place.organization, "api_key", **options)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_two_owners_who_change_each_others_standing_at_once_leave_one(
    db: Database, act: Callable[[Club, Any, UUID], Awaitable[Any]]
) -> None:
    for other in ACTS.values():
        await _check(db, Club(db, owners=2, invited_as="customer_staff"), _first(act), _second(other))
