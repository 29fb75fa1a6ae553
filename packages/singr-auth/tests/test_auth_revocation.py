"""A credential that is revoked takes with it what it made, whoever revokes it and in whatever way."""

import asyncio
import datetime as dt
import threading
from typing import Any
from uuid import UUID

import pytest
from factors_support import Someone
from organizations_support import acting
from standing_support import Place

from singr_auth._cli import main
from singr_auth.accounts import ConfirmNewEmail, EmailMoved, NewCredential, ServiceCredentials, TokenRefusedError
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor, Revoked
from singr_config import Settings
from singr_db import Database
from singr_dev.clock import VirtualClock

pytestmark = pytest.mark.usefixtures("notices_at_once")

JOBS = ["jobs:write"]


@pytest.fixture
async def place(db: Database) -> Place:
    made = Place(db)
    await made.prepare()
    return made


async def _line(place: Place, actor: UUID | Actor) -> tuple[NewCredential, NewCredential, NewCredential]:
    """A key of the organization itself, one that it made, and one that this one made."""
    scopes = ["api_keys:write", *JOBS]
    first = await place.key(actor, scopes=scopes, holder="organization")
    second = await place.key(place.program(first), scopes=scopes)
    return first, second, await place.key(place.program(second), scopes=JOBS)


# ---- the undo of a change of address ------------------------------------------------------------------------------


@pytest.fixture
async def owned(someone: Someone, db: Database) -> Place:
    """An organization of somebody whose account is taken over."""
    made = Place(db)
    await made.prepare()
    await made.house.join(made.organization, someone.user_id, "customer_owner")
    return made


async def _undo(someone: Someone) -> None:
    change = someone.accounts.email_change
    await change.request(someone.user_id, someone.session_id, "thief@example.org", someone.client)
    code = someone.notifier.last(ConfirmNewEmail).code.reveal()
    await change.confirm(someone.user_id, someone.session_id, code, someone.client)
    await someone.accounts.email_undo.undo(someone.notifier.last(EmailMoved).token, someone.client)


async def test_undo_revokes_keys_that_the_thiefs_key_made(someone: Someone, owned: Place) -> None:
    line = await _line(owned, someone.user_id)
    await _undo(someone)
    assert [await owned.may(key) for key in line] == [None] * 3


async def test_undo_revokes_what_the_thiefs_key_was_rotated_to_by_itself(someone: Someone, owned: Place) -> None:
    first, *_ = await _line(owned, someone.user_id)
    successor = await owned.rotate(first, owned.program(first))
    await _undo(someone)
    assert await owned.may(successor) is None


async def test_undo_cancels_what_the_thief_and_their_keys_had_waiting(someone: Someone, owned: Place) -> None:
    first, second, _ = await _line(owned, someone.user_id)
    for maker in (first.key_id, second.key_id, f"user:{someone.user_id}", f"user:{owned.owner}"):
        await owned.waiting_job(maker)
    await _undo(someone)
    assert await owned.jobs() == {
        (first.key_id, True): "cancelled",
        (second.key_id, True): "cancelled",
        (f"user:{someone.user_id}", True): "cancelled",
        (f"user:{owned.owner}", True): "pending",
    }


async def test_undo_leaves_what_waited_before_the_week_of_suspicion(someone: Someone, owned: Place) -> None:
    await owned.waiting_job(f"user:{someone.user_id}", asked="now() - interval '8 days'")
    await _undo(someone)
    assert await owned.jobs() == {(f"user:{someone.user_id}", True): "pending"}


# ---- jobs of a key that is revoked --------------------------------------------------------------------------------


async def test_jobs_that_wait_are_cancelled_with_the_key_that_asked_and_those_it_made(place: Place) -> None:
    first, second, _ = await _line(place, place.owner)
    for key in (first, second):
        await place.waiting_job(key.key_id)
    await place.waiting_job(first.key_id, later=False)
    await place.revoke(first)
    assert await place.jobs() == {
        (first.key_id, True): "cancelled",
        (second.key_id, True): "cancelled",
        (first.key_id, False): "pending",
    }


@pytest.mark.parametrize("tried", [1, 3])
async def test_what_was_tried_and_waits_to_be_tried_again_is_cancelled_with_its_key(place: Place, tried: int) -> None:
    """A message whose mail server says later is sent within a day, long after its key was revoked."""
    key = await place.key(place.owner, scopes=JOBS)
    await place.waiting_job(key.key_id, tried=tried)
    assert (await place.revoke(key)).cancelled_jobs == 1
    assert await place.jobs() == {(key.key_id, True): "cancelled"}


async def test_shell_that_revokes_a_key_cancels_its_jobs(
    place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)
    first, second, _ = await _line(place, place.owner)
    await place.waiting_job(second.key_id)
    assert await asyncio.to_thread(main, ("revoke", first.key_id)) == 0  # it runs an event loop of its own
    assert "Cancelled 1 waiting jobs" in capsys.readouterr().out
    assert await place.jobs() == {(second.key_id, True): "cancelled"}


async def test_shell_takes_what_a_process_that_still_remembers_the_key_lets_it_make(
    place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)
    async with place.db.platform() as session:
        stolen = await place.credentials.create_api_key(session, name="stolen", scopes=ORGANIZATION_PERMISSIONS)
    remembered = Actor.of(await place.credentials.api_key(stolen.secret.reveal()))
    revoked, made, revoke_late = threading.Event(), threading.Event(), ServiceCredentials.revoke_late

    async def once_it_was_made(credentials: ServiceCredentials, *arguments: Any) -> Revoked:
        revoked.set()
        await asyncio.to_thread(made.wait, 30)
        return await revoke_late(credentials, *arguments)

    monkeypatch.setattr(ServiceCredentials, "revoke_late", once_it_was_made)
    revoking = asyncio.create_task(asyncio.to_thread(main, ("revoke", stolen.key_id)))
    assert await asyncio.to_thread(revoked.wait, 30)
    late = await place.key(remembered, scopes=JOBS)
    made.set()
    assert await revoking == 0
    assert await place.may(late) is None
    assert late.key_id in capsys.readouterr().out


async def test_jobs_of_a_rotated_key_go_on_while_its_successor_is_in_force(place: Place) -> None:
    key = await place.key(place.owner, scopes=JOBS)
    successor = await place.rotate(key, acting(place.owner))
    await place.waiting_job(key.key_id)
    await place.revoke(key)
    assert await place.jobs() == {(key.key_id, True): "pending"}
    await place.revoke(successor)
    assert await place.jobs() == {(key.key_id, True): "cancelled"}


# ---- keys that ended before their holder's standing did -----------------------------------------------------------


@pytest.mark.parametrize("ended", ["rotated", "expired", "revoked by hand"])
async def test_jobs_of_a_key_that_ended_before_its_holder_went_go_with_them(place: Place, ended: str) -> None:
    key = await place.key(scopes=JOBS)
    await place.waiting_job(key.key_id)
    if ended == "rotated":
        await place.rotate(key, acting(place.mallory))
        await place.expire(key)
    elif ended == "expired":
        await place.expire(key)
    else:
        await place.sql("UPDATE service_credentials SET revoked_at = now() WHERE key_id = :key", key=key.key_id)
    await place.house.remove(place.organization, place.owner, place.mallory)
    assert await place.jobs() == {(key.key_id, True): "cancelled"}


async def test_jobs_of_a_key_that_somebody_else_took_over_stay(place: Place) -> None:
    key = await place.key(scopes=JOBS)
    await place.waiting_job(key.key_id)
    await place.rotate(key, acting(place.owner))
    await place.house.remove(place.organization, place.owner, place.mallory)
    assert await place.jobs() == {(key.key_id, True): "pending"}


# ---- keys that were rotated ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0, 86_400])
@pytest.mark.parametrize("by", ["itself", "a person"])
async def test_revoking_a_successor_takes_what_its_predecessors_made_and_sent(
    place: Place, overlap: int, by: str
) -> None:
    key = await place.key(place.owner, holder="organization")
    child = await place.key(place.program(key))
    grandchild = await place.key(place.program(child), scopes=["jobs:read"])
    token = await place.invite_with(key)
    person = acting(place.owner) if by == "a person" else None
    second = await place.rotate(key, person or place.program(key), overlap=overlap)
    third = await place.rotate(second, person or place.program(second), overlap=overlap)
    await place.revoke(third)
    assert [await place.may(each) for each in (key, second, third, child, grandchild)] == [None] * 5
    assert not await place.opens(token)


async def test_revoking_a_key_takes_the_successor_that_it_made_by_itself(place: Place) -> None:
    leaked = await place.key(place.owner, holder="organization")
    thiefs = await place.rotate(leaked, place.program(leaked))
    next_one = await place.rotate(thiefs, place.program(thiefs))
    token = await place.invite_with(next_one)
    await place.revoke(leaked)
    assert [await place.may(each) for each in (leaked, thiefs, next_one)] == [None] * 3
    assert not await place.opens(token)


async def test_revoking_a_key_leaves_the_successor_that_another_program_made(place: Place) -> None:
    rotator = await place.key(place.owner, holder="organization")
    leaked = await place.key(place.owner, scopes=["jobs:read"], holder="organization")
    successor = await place.rotate(leaked, place.program(rotator))
    await place.revoke(leaked)
    assert await place.may(successor) == {"jobs:read"}


async def test_revocation_says_what_went_and_what_stays(place: Place) -> None:
    first = await place.key(place.owner, name="till", holder="organization")
    child = await place.key(place.program(first), name="child", scopes=["jobs:read"])
    await place.invite_with(first, "friend@example.org")
    successor = await place.rotate(first, acting(place.owner))
    await place.waiting_job(child.key_id)
    told = await place.revoke(first)
    assert {(each.key_id, each.name) for each in told.revoked_credentials} == {
        (first.key_id, "till"),
        (child.key_id, "child"),
    }
    assert [(each.key_id, each.name) for each in told.kept_credentials] == [(successor.key_id, "till")]
    assert [each.email for each in told.revoked_invitations] == ["friend@example.org"]
    assert told.cancelled_jobs == 1


async def test_whoever_goes_takes_what_they_rotated_but_not_what_another_persons_key_made(place: Place) -> None:
    owners = await place.key(place.owner)
    child = await place.key(place.program(owners), scopes=["jobs:read"])
    taken_over = await place.rotate(owners, acting(place.mallory))
    await place.house.remove(place.organization, place.owner, place.mallory)
    assert await place.may(taken_over) is None
    assert await place.may(child) == {"jobs:read"}


# ---- keys that expired --------------------------------------------------------------------------------------------


async def test_invitation_ends_with_the_key_that_sent_it(clock: VirtualClock, place: Place) -> None:
    key = await place.key(place.owner, holder="organization", expires_at=clock.now() + dt.timedelta(days=1))
    token = await place.invite_with(key)
    assert await place.opens(token)
    clock.advance(days=1)
    assert not await place.opens(token)
    friend = await place.house.person("friend@example.org")
    with pytest.raises(TokenRefusedError):
        await place.house.accept(token, friend)
    assert await place.house.own(friend) == ()
    assert await place.house.open_invitations(place.organization) == []


async def test_address_that_an_expired_key_invited_can_be_invited_anew(place: Place) -> None:
    key = await place.key(place.owner, holder="organization")
    await place.invite_with(key)
    await place.expire(key)
    await place.house.invite(place.organization, place.owner, "friend@example.org")
    assert await place.house.open_invitations(place.organization) == ["friend@example.org"]


async def test_invitation_of_a_rotated_key_stands_on_its_successor(place: Place) -> None:
    key = await place.key(place.owner, holder="organization")
    token = await place.invite_with(key)
    second = await place.rotate(key, acting(place.owner), overlap=0)
    third = await place.rotate(second, acting(place.owner), overlap=0)
    assert await place.opens(token)
    await place.expire(third)
    assert not await place.opens(token)
