"""Credentials of an organization: no more than their maker holds, rotated without a gap, refused when revoked."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from credentials_support import HOLDER, Keys
from sqlalchemy import text

from singr_auth import OrganizationError, Principal, ScopeError
from singr_auth.accounts import (
    ClientInfo,
    ConflictError,
    CredentialSummary,
    InvalidValueError,
    NewCredential,
    NotAllowedError,
    NotFoundError,
    SecurityNotice,
)
from singr_auth.accounts.credentials._credentials import LONGEST_LIFE
from singr_auth.accounts.organizations import (
    ORGANIZATION_PERMISSIONS,
    Actor,
    Organizations,
    Roles,
    organization_events,
)
from singr_config.clock import clock as process_clock
from singr_db import Database, new_id
from singr_dev.clock import VirtualClock


@pytest.fixture
async def keys(db: Database) -> Keys:
    made = Keys(db)
    await made.prepare()
    return made


@pytest.mark.parametrize("kind", ["api_key", "signing"])
async def test_made_credential_works_for_its_organization_is_listed_told_and_written_down(
    keys: Keys, kind: Any
) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    new = await keys.create(kind, expires_at=until, scopes=["jobs:read", "jobs:write"])
    if kind == "api_key":
        principal = await keys.elsewhere.api_key(new.secret.reveal())
    else:
        found = await keys.elsewhere.signing_key(new.key_id)
        assert found is not None
        assert found.secret == new.secret
        principal = found.principal
    assert (principal.organization_id, principal.scopes) == (keys.organization, {"jobs:read", "jobs:write"})
    listed = (await keys.all(kind))[new.key_id]
    assert (listed.status, listed.created_by, listed.expires_at) == ("in_force", f"user:{keys.owner}", until)
    assert [(told.to.email, told.event) for told in keys.notifier.of(SecurityNotice)] == [
        ("olga@example.org", "api_key_created")
    ]
    async with keys.db.tenant(keys.organization) as session:
        event = (await organization_events(session, keys.organization)).items[0]
    assert event.kind == {"api_key": "api_key.created", "signing": "service_credential.created"}[kind]
    assert event.detail == {"key_id": new.key_id, "scopes": ["jobs:read", "jobs:write"], "holder": "person"}


async def test_owners_and_the_member_who_did_it_are_told_of_every_change(keys: Keys) -> None:
    async with keys.db.platform() as session:
        helper = new_id()
        await session.execute(
            text(
                "INSERT INTO users (id, account_type, status, name, email, email_key, email_verified_at)"
                " VALUES (:id, 'customer', 'active', 'Hal', 'hal@example.org', 'hal@example.org', now())"
            ),
            {"id": helper},
        )
        role = await Roles(keys.notifier).create(
            session, keys.organization, name="Keys", permissions=HOLDER, actor=keys.boss
        )
        await session.execute(
            text("INSERT INTO memberships (organization_id, user_id, role_id) VALUES (:organization, :user, :role)"),
            {"organization": keys.organization, "user": helper, "role": role.id},
        )
    actor = Actor(f"user:{helper}", user_id=helper, client=ClientInfo("203.0.113.7"), whole=True)
    made = await keys.create(actor=actor)
    successor = await keys.rotate(made.key_id, actor=actor)
    await keys.revoke(successor.key_id, actor=actor)
    told = [(notice.event, notice.to.email, notice.address) for notice in keys.notifier.of(SecurityNotice)]
    assert told == [
        (event, email, "203.0.113.7")
        for event in ("api_key_created", "api_key_rotated", "api_key_revoked")
        for email in ("olga@example.org", "hal@example.org")
    ]


async def test_nothing_of_a_secret_is_in_any_row(keys: Keys) -> None:
    made = [await keys.create(), await keys.create("signing")]
    made.append(await keys.rotate(made[0].key_id))
    async with keys.db.platform() as session:
        tables = list(
            await session.scalars(
                text("SELECT c.relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            )
        )
        dump = "".join(
            [str(await session.scalar(text(f"SELECT jsonb_agg(to_jsonb(t))::text FROM {table} t"))) for table in tables]
        )
    assert made[0].key_id in dump
    for new in made:
        assert new.secret.reveal() not in dump
        assert new.secret.reveal().encode().hex() not in dump
        assert new.secret.reveal() not in repr(new)


async def test_scopes_are_limited_to_what_the_maker_holds_right_now(keys: Keys) -> None:
    program = await keys.program()
    with pytest.raises(NotAllowedError, match="jobs:write"):
        await keys.create(actor=program, scopes=["jobs:read", "jobs:write"])
    await keys.create(actor=program, scopes=["jobs:read"])
    # what the edge remembers of a person does not count: the role does
    async with keys.db.platform() as session:
        await session.execute(
            text("UPDATE memberships SET role_id = (SELECT id FROM roles WHERE name = 'customer_manager')")
        )
    stale = Actor(keys.boss.name, ORGANIZATION_PERMISSIONS, user_id=keys.owner, whole=True)
    with pytest.raises(ScopeError, match="api_keys:write"):
        await keys.create(actor=stale)
    async with keys.db.platform() as session:
        await session.execute(text("DELETE FROM memberships"))
    with pytest.raises(OrganizationError):
        await keys.create(actor=stale)


@pytest.mark.parametrize("scope", ["operations:read", "users:write", "everything", ""])
async def test_platforms_own_and_unknown_scopes_are_refused_even_to_the_platform(keys: Keys, scope: str) -> None:
    for actor in (keys.boss, Actor("env", ORGANIZATION_PERMISSIONS | {scope}, platform=True)):
        with pytest.raises(InvalidValueError, match="scopes"):
            await keys.create(actor=actor, scopes=[scope])


@pytest.mark.parametrize(
    "options", [{"name": ""}, {"name": "a\nb"}, {"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}]
)
async def test_unfit_form_is_refused(keys: Keys, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(options))):
        await keys.create(**options)


async def test_credential_that_ends_makes_none_that_lives_longer(keys: Keys) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    short = await keys.create(scopes=HOLDER, expires_at=until)
    actor = Actor(short.key_id, HOLDER)
    for later in (None, until + dt.timedelta(seconds=1)):
        with pytest.raises(InvalidValueError, match="expires_at"):
            await keys.create(actor=actor, expires_at=later)
    await keys.create(actor=actor, expires_at=until)
    lasting = await keys.create()
    for rotated in (short, lasting):
        successor = await keys.rotate(rotated.key_id, actor=actor)
        assert (await keys.all())[successor.key_id].expires_at == until


async def test_rotation_overlaps_then_ends_the_old_key(clock: VirtualClock, keys: Keys) -> None:
    old = await keys.create(scopes=["jobs:read", "venues:read"], name="till")
    new = await keys.rotate(old.key_id, overlap_seconds=3600)
    assert await keys.opens(old.secret)
    assert await keys.opens(new.secret)
    listed = await keys.all()
    assert listed[old.key_id].replaced_by == new.key_id
    assert listed[old.key_id].status == "retiring"
    left = listed[old.key_id].expires_at
    assert left is not None
    assert abs((left - dt.datetime.now(dt.UTC)).total_seconds() - 3600) < 60
    assert (listed[new.key_id].name, listed[new.key_id].scopes) == ("till", ("jobs:read", "venues:read"))
    assert listed[new.key_id].expires_at is None
    clock.advance(hours=1)
    assert not await keys.opens(old.secret)
    assert await keys.opens(new.secret)


@pytest.mark.parametrize("ahead", [3600, -3600], ids=["ahead", "behind"])
async def test_key_lives_by_the_databases_clock_on_a_host_whose_own_is_an_hour_off(
    clock: VirtualClock, keys: Keys, ahead: int
) -> None:
    key = await keys.create(expires_at=clock.now() + dt.timedelta(minutes=10))
    shift = process_clock.ahead_ns()
    with process_clock.moved(lambda: shift + ahead * 10**9):
        assert await keys.opens(key.secret)
    clock.advance(minutes=11)
    shift = process_clock.ahead_ns()
    with process_clock.moved(lambda: shift + ahead * 10**9):
        await keys.refused_within_a_second(key.secret)


async def test_rotation_without_overlap_refuses_the_old_key_within_a_second(keys: Keys) -> None:
    old = await keys.create()
    assert await keys.opens(old.secret)
    new = await keys.rotate(old.key_id, overlap_seconds=0)
    await keys.refused_within_a_second(old.secret)
    assert await keys.opens(new.secret)


async def test_overlap_never_lengthens_a_life_and_the_successor_lives_as_long_as_the_old_one_did(keys: Keys) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    old = await keys.create(expires_at=until)
    new = await keys.rotate(old.key_id, overlap_seconds=86_400)
    listed = await keys.all()
    assert listed[old.key_id].expires_at == until
    expires_at = listed[new.key_id].expires_at
    assert expires_at is not None
    assert abs((expires_at - until).total_seconds()) < 60


TOO_FAR = (
    "9999-12-31T23:59:59+00:00",
    "9999-12-31T23:59:59-01:00",  # the year 10000 in UTC: PostgreSQL stores it, and no program of ours reads it
    (dt.datetime.now(dt.UTC) + LONGEST_LIFE + dt.timedelta(days=1)).isoformat(),
)


@pytest.mark.parametrize("kind", ["api_key", "signing"])
@pytest.mark.parametrize("until", TOO_FAR, ids=["9999", "10000", "a day too far"])
async def test_expiry_beyond_ten_years_is_refused_however_a_credential_is_made(
    keys: Keys, until: str, kind: Any
) -> None:
    expires_at = dt.datetime.fromisoformat(until)
    with pytest.raises(InvalidValueError, match=r"expires_at must be \d{4}-\d\d-\d\d at the latest"):
        await keys.create(kind, expires_at=expires_at)
    make = keys.credentials.create_api_key if kind == "api_key" else keys.credentials.create_signing_credential
    with pytest.raises(InvalidValueError, match="expires_at"):
        async with keys.db.platform() as session:  # as the command line does
            await make(session, name="x", scopes=["jobs:read"], expires_at=expires_at)
    assert await keys.all(kind) == {}


async def test_expiry_before_the_calendar_is_past(keys: Keys) -> None:
    beginning = dt.datetime.fromisoformat("0001-01-01T00:00:00+01:00")
    with pytest.raises(InvalidValueError, match="future"):
        await keys.create(expires_at=beginning)


async def test_expiry_is_told_in_utc_and_ten_years_are_taken(keys: Keys) -> None:
    until = dt.datetime.now(dt.UTC) + LONGEST_LIFE - dt.timedelta(minutes=1)
    new = await keys.create(name="till", expires_at=until.astimezone(dt.timezone(dt.timedelta(hours=-9))))
    assert (new.name, new.expires_at) == ("till", until)
    assert new.expires_at.tzinfo is dt.UTC
    successor = await keys.rotate(new.key_id)
    assert (successor.name, successor.expires_at) == ("till", (await keys.all())[successor.key_id].expires_at)


@pytest.mark.parametrize("whose", ["its own", "the actor's"])
async def test_successor_of_a_credential_that_outlives_the_calendar_lives_ten_years(keys: Keys, whose: str) -> None:
    """Rows from before there was a longest life, and those that somebody wrote by hand."""
    old, actor = await keys.create(), await keys.create(scopes=list(HOLDER))
    async with keys.db.platform() as session:
        await session.execute(
            text("UPDATE service_credentials SET expires_at = '9999-12-31T23:59:59Z' WHERE key_id = :key"),
            {"key": old.key_id if whose == "its own" else actor.key_id},
        )
    new = await keys.rotate(old.key_id, actor=keys.boss if whose == "its own" else Actor(actor.key_id, HOLDER))
    latest = dt.datetime.now(dt.UTC) + LONGEST_LIFE
    assert abs((new.expires_at - latest).total_seconds()) < 60
    assert (await keys.all())[new.key_id].expires_at == new.expires_at


async def test_one_credential_is_read_whatever_its_state_with_its_last_use(keys: Keys) -> None:
    made = await keys.create(name="till")

    async def read(key_id: str, kind: Any = "api_key") -> CredentialSummary:
        async with keys.db.tenant(keys.organization) as session:
            return await keys.manager.read(session, keys.organization, kind, key_id)

    await keys.credentials.api_key(made.secret.reveal())
    assert (await read(made.key_id)).last_used_at is not None
    assert await read(made.key_id) == (await keys.all())[made.key_id]
    await keys.revoke(made.key_id)
    assert (await read(made.key_id)).status == "revoked"
    for key_id, kind in ((made.key_id, "signing"), ("ak_unknown", "api_key"), ("\0", "api_key"), ("", "api_key")):
        with pytest.raises(NotFoundError):
            await read(key_id, kind)


async def test_of_many_rotations_at_once_one_wins(keys: Keys) -> None:
    old = await keys.create()
    ended = await asyncio.gather(*(keys.rotate(old.key_id) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, NewCredential) for one in ended) == 1
    assert sum(isinstance(one, ConflictError) for one in ended) == 9
    assert len(await keys.all()) == 2


async def test_rotation_hands_its_secret_only_to_who_holds_its_scopes(keys: Keys) -> None:
    strong = await keys.create(scopes=["jobs:read", "billing:write"])
    with pytest.raises(NotAllowedError, match="billing:write"):
        await keys.rotate(strong.key_id, actor=await keys.program())
    with pytest.raises(ScopeError):
        await keys.rotate(strong.key_id, actor=await keys.program({"api_keys:read"}))
    assert (await keys.all())[strong.key_id].replaced_by is None


@pytest.mark.parametrize("overlap", [-1, 7 * 86_400 + 1])
async def test_overlap_out_of_range_is_refused(keys: Keys, overlap: int) -> None:
    old = await keys.create()
    with pytest.raises(InvalidValueError, match="overlap_seconds"):
        await keys.rotate(old.key_id, overlap_seconds=overlap)


async def test_revoked_key_is_refused_within_a_second_and_cannot_be_rotated(keys: Keys) -> None:
    new = await keys.create()
    assert await keys.opens(new.secret)
    await keys.revoke(new.key_id)
    await keys.refused_within_a_second(new.secret)
    with pytest.raises(ConflictError):
        await keys.revoke(new.key_id)
    with pytest.raises(ConflictError):
        await keys.rotate(new.key_id)
    assert (await keys.all())[new.key_id].status == "revoked"


async def test_revoking_takes_its_own_permission(keys: Keys) -> None:
    new = await keys.create()
    with pytest.raises(ScopeError, match="api_keys:revoke"):
        await keys.revoke(new.key_id, actor=await keys.program({"api_keys:write"}))


async def test_credentials_of_another_organization_or_kind_do_not_exist(keys: Keys) -> None:
    other = Keys(keys.db)
    other.owner = keys.owner
    async with keys.db.platform() as session:
        made = await Organizations().create(session, user_id=keys.owner, name="Elsewhere")
        other.organization = made.organization.id
    theirs, signing = await other.create(), await keys.create("signing")
    assert await keys.all() == {}
    for key_id in (theirs.key_id, signing.key_id, "ak_unknown", "x" * 300, "\0", ""):
        with pytest.raises(NotFoundError):
            await keys.rotate(key_id)
        with pytest.raises(NotFoundError):
            await keys.revoke(key_id)
    # without the fence, the statements themselves keep organizations apart
    async with keys.db.platform() as session:
        with pytest.raises(NotFoundError):
            await keys.manager.revoke(session, keys.organization, "api_key", theirs.key_id, actor=keys.boss)
        page = await keys.manager.page(session, keys.organization, "api_key")
    assert page.items == ()
    assert await keys.opens(theirs.secret)


async def test_pages_come_newest_first_with_the_last_use(keys: Keys) -> None:
    made = [await keys.create(name=f"key {number}") for number in range(3)]
    await keys.credentials.api_key(made[0].secret.reveal())
    async with keys.db.tenant(keys.organization) as session:
        first = await keys.manager.page(session, keys.organization, "api_key", limit=2)
        rest = await keys.manager.page(session, keys.organization, "api_key", limit=2, cursor=first.next_cursor)
    assert [one.key_id for one in (*first.items, *rest.items)] == [one.key_id for one in reversed(made)]
    assert rest.next_cursor is None
    assert rest.items[0].last_used_at is not None
    assert first.items[0].last_used_at is None


async def test_an_organization_has_a_hundred_in_force_at_most(keys: Keys) -> None:
    async with keys.db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash)"
                " SELECT gen_random_uuid(), :organization, 'ak_' || n, 'x', 'api_key', sha256('x')"
                " FROM generate_series(1, 99) n"
            ),
            {"organization": keys.organization},
        )
    last = await keys.create()
    with pytest.raises(ConflictError, match="100"):
        await keys.create()
    await keys.revoke(last.key_id)
    await keys.create()


async def test_rolled_back_rotation_leaves_the_old_key_as_it_was(keys: Keys) -> None:
    old = await keys.create()
    async with keys.db.tenant(keys.organization) as session:
        new = await keys.manager.rotate(session, keys.organization, "api_key", old.key_id, actor=keys.boss)
        await session.rollback()
    assert await keys.opens(old.secret)
    assert not await keys.opens(new.secret)
    assert set(await keys.all()) == {old.key_id}
    assert len(keys.notifier.of(SecurityNotice)) == 1


def test_actor_is_made_of_whom_the_edge_let_in() -> None:
    organization, user = UUID(int=1), UUID(int=2)
    person = Actor.of(Principal(f"user:{user}", organization, HOLDER, "access_token", user))
    assert (person.user_id, person.platform, person.name) == (user, False, f"user:{user}")
    assert Actor.of(Principal("env", None, HOLDER, "api_key")).platform
    assert not Actor.of(Principal("ak_x", organization, HOLDER, "api_key")).platform
