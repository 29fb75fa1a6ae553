"""What one organization sees and may do of people, of the audit trail, and of signing in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id
from singr_db.tables import (
    AccessChange,
    AuthChallenge,
    AuthSession,
    BackupCode,
    Base,
    Device,
    EmailChange,
    Invitation,
    Membership,
    OneTimeToken,
    Organization,
    Passkey,
    RefreshToken,
    Role,
    SecondFactor,
    SecurityEvent,
    SignInFailure,
    User,
)

SOON = datetime.now(UTC) + timedelta(hours=1)
VISIBLE = ["id", "name", "email", "status", "created_at", "last_sign_in_at"]
HIDDEN = sorted({column.name for column in User.__table__.columns} - set(VISIBLE))


def person(name: str, **more: Any) -> User:
    id_ = new_id()
    address = f"{name}-{id_}@x.org"
    return User(id=id_, account_type="customer", name=name, email=address, email_key=address, **more)


@pytest.fixture
async def people(database: Database, organizations: tuple[UUID, UUID]) -> tuple[UUID, UUID, UUID]:
    """One member of ours, one of theirs, and one of no organization."""
    role = Role(id=new_id(), name="customer_staff", is_system=True)
    users = [person("ours"), person("theirs"), person("nobody's")]
    async with database.platform() as session:
        session.add_all([role, *users])
        await session.flush()
        session.add_all(
            Membership(organization_id=organization, user_id=user.id, role_id=role.id)
            for organization, user in zip(organizations, users, strict=False)
        )
    return users[0].id, users[1].id, users[2].id


async def test_tenant_sees_the_members_of_its_organization_only(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    for organization, member in zip(organizations, people, strict=False):
        async with database.tenant(organization) as session:
            assert (await session.scalars(select(User.id))).all() == [member]
            row = (await session.execute(select(*(User.__table__.columns[name] for name in VISIBLE)))).one()
            assert row.id == member


async def test_member_who_left_is_no_longer_seen(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    async with database.tenant(organizations[0]) as session:
        await session.execute(delete(Membership))
        assert (await session.scalars(select(User.id))).all() == []


@pytest.mark.parametrize("column", HIDDEN)
async def test_tenant_cannot_read_what_of_a_member_is_private(
    column: str, database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    with pytest.raises(DBAPIError) as caught:
        async with database.tenant(organizations[0]) as session:
            await session.execute(text(f"SELECT {column} FROM users"))
    assert isinstance(caught.value.orig, InsufficientPrivilege)


def test_private_columns_of_users_are_all_but_the_six_that_members_see():
    assert {"password_hash", "email_key", "phone_sealed", "phone_hash", "phone_masked", "role_id"} <= set(HIDDEN)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET name = 'x'",
        "DELETE FROM users",
        "INSERT INTO users (id, account_type, name) VALUES (gen_random_uuid(), 'singer', 'x')",
        "UPDATE security_events SET kind = 'x'",
        "DELETE FROM security_events",
        "UPDATE operation_log SET kind = 'x'",
        "DELETE FROM operation_log",
        "SELECT * FROM access_changes",
        "DELETE FROM access_changes",
        "INSERT INTO access_changes (kind, subject) VALUES ('session', gen_random_uuid())",
        "INSERT INTO access_changes (kind, subject) VALUES ('organization', gen_random_uuid())",
        "INSERT INTO access_changes (kind) VALUES ('organization')",
        "INSERT INTO access_changes (kind, changed_at) VALUES ('user', 'infinity')",
    ],
)
async def test_tenant_may_not(
    statement: str, database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    async with database.platform() as session:
        session.add(SecurityEvent(organization_id=organizations[0], actor="system", kind="test.made"))
    with pytest.raises(DBAPIError) as caught:
        async with database.tenant(organizations[0]) as session:
            await session.execute(text(statement))
    assert isinstance(caught.value.orig, InsufficientPrivilege)


def rows_of_sign_in(user_id: UUID) -> list[Base]:
    token = new_id().bytes
    session = AuthSession(
        id=new_id(), user_id=user_id, authenticated_at=SOON, idle_expires_at=SOON, expires_at=SOON, methods=["pwd"]
    )
    return [
        session,
        RefreshToken(token_hash=token, session_id=session.id),
        OneTimeToken(token_hash=token, kind="password_reset", user_id=user_id, expires_at=SOON),
        EmailChange(
            user_id=user_id, token_hash=token, email="a@b.c", email_key="a@b.c", asked_at=SOON, expires_at=SOON
        ),
        AuthChallenge(token_hash=token, kind="second_factor", user_id=user_id, expires_at=SOON),
        SecondFactor(user_id=user_id, method="totp", secret_sealed=b"s"),
        BackupCode(user_id=user_id, code_hash=b"h"),
        Passkey(user_id=user_id, credential_id=token, public_key=b"k", name="key"),
        Device(user_id=user_id, token_hash=token, expires_at=SOON),
        SignInFailure(subject_hash=token, failures=3),
    ]


@pytest.mark.parametrize("model", [type(row) for row in rows_of_sign_in(new_id())])
async def test_tenant_sees_nothing_of_how_its_members_sign_in_even_with_a_careless_grant(
    model: Any, database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    async with database.platform() as session:
        for row in rows_of_sign_in(people[0]):
            session.add(row)
            await session.flush()
    with pytest.raises(DBAPIError) as caught:
        async with database.tenant(organizations[0]) as session:
            await session.execute(select(model))
    assert isinstance(caught.value.orig, InsufficientPrivilege)
    async with database.platform() as session:
        assert len((await session.scalars(select(model))).all()) == 1
        await session.execute(text(f"GRANT SELECT, DELETE ON {model.__tablename__} TO singr_tenant"))
        await session.execute(text("SET LOCAL ROLE singr_tenant"))
        await session.execute(
            text("SELECT set_config('singr.organization_id', :id, true)"), {"id": str(organizations[0])}
        )
        assert (await session.execute(select(model))).all() == []
        assert (await session.execute(delete(model))).rowcount == 0
        await session.rollback()


@pytest.mark.parametrize("model", [Membership, Invitation])
async def test_tenant_gives_roles_of_its_own_and_of_customers_only(
    model: Any, database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    ours, theirs = organizations
    own, foreign, admin = Role(organization_id=ours, name="r"), Role(organization_id=theirs, name="r"), Role(name="a")
    async with database.platform() as session:
        admin.name, admin.is_system = "admin", True
        session.add_all([own, foreign, admin])
        await session.flush()
        staff = await session.scalar(select(Role.id).where(Role.name == "customer_staff"))

    def row(role_id: UUID | None) -> dict[str, Any]:
        shared = {"organization_id": ours, "role_id": role_id}
        if model is Membership:
            return {**shared, "user_id": people[2]}
        return {**shared, "email": "x", "email_key": "x", "token_hash": new_id().bytes, "expires_at": SOON}

    for role_id in (own.id, staff):
        async with database.tenant(ours) as session:
            await session.execute(insert(model).values(row(role_id)))
            assert (await session.execute(update(model).values(role_id=own.id))).rowcount >= 1
            await session.rollback()
    for role_id in (foreign.id, admin.id):
        for statement in (insert(model).values(row(role_id)), update(model).values(role_id=role_id)):
            async with database.platform() as session:
                await session.execute(delete(model).where(model.organization_id == ours))
                await session.execute(insert(model).values(row(staff)))
            with pytest.raises(DBAPIError) as caught:
                async with database.tenant(ours) as session:
                    await session.execute(statement)
            assert isinstance(caught.value.orig, InsufficientPrivilege)


async def test_tenant_reads_and_writes_its_own_part_of_the_audit_trail_only(
    database: Database, organizations: tuple[UUID, UUID]
):
    ours, theirs = organizations
    async with database.platform() as session:
        session.add_all(
            SecurityEvent(organization_id=each, actor="system", kind="made.before") for each in (ours, theirs, None)
        )
    async with database.tenant(ours) as session:
        session.add(SecurityEvent(organization_id=ours, actor="system", kind="made.now"))
        await session.flush()
        found = (await session.scalars(select(SecurityEvent))).all()
        assert {(event.organization_id, event.kind) for event in found} == {(ours, "made.before"), (ours, "made.now")}
    for other in (theirs, None):
        with pytest.raises(DBAPIError) as caught:
            async with database.tenant(ours) as session:
                session.add(SecurityEvent(organization_id=other, actor="system", kind="forged"))
        assert isinstance(caught.value.orig, InsufficientPrivilege)


async def test_tenant_tells_others_that_access_changed(database: Database, organizations: tuple[UUID, UUID]):
    ours, _ = organizations
    async with database.tenant(ours) as session:
        for kind, subject in (("organization", ours), ("user", new_id()), ("credential", new_id())):
            await session.execute(
                text("INSERT INTO access_changes (kind, subject) VALUES (:kind, :subject)"),
                {"kind": kind, "subject": subject},
            )
    async with database.platform() as session:
        found = (await session.scalars(select(AccessChange.kind).order_by(AccessChange.id))).all()
    assert found == ["organization", "user", "credential"]


async def test_organization_goes_with_its_roles_members_and_invitations(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    ours, theirs = organizations
    async with database.platform() as session:
        role = Role(id=new_id(), organization_id=ours, name="door")
        session.add(role)
        await session.flush()
        session.add(Membership(organization_id=ours, user_id=people[2], role_id=role.id))
        session.add(
            Invitation(
                organization_id=ours, email="x", email_key="x", role_id=role.id, token_hash=b"t", expires_at=SOON
            )
        )
    async with database.platform() as session:
        await session.execute(delete(Organization).where(Organization.id == ours))
    async with database.platform() as session:
        assert (await session.scalars(select(Membership.organization_id))).all() == [theirs]
        assert (await session.scalars(select(Invitation))).all() == []
        assert len((await session.scalars(select(User.id))).all()) == 3


async def test_role_that_somebody_holds_cannot_be_removed(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    with pytest.raises(IntegrityError) as caught:
        async with database.platform() as session:
            await session.execute(delete(Role).where(Role.name == "customer_staff"))
    assert isinstance(caught.value.orig, ForeignKeyViolation)


async def test_phone_is_one_persons_once_it_is_verified(database: Database):
    phone = {"phone_sealed": b"s", "phone_hash": b"h", "phone_masked": "+1***00"}
    async with database.platform() as session:
        session.add_all([person("a", **phone), person("b", **phone), person("c", phone_verified_at=SOON, **phone)])
    with pytest.raises(IntegrityError, match="users_by_verified_phone"):
        async with database.platform() as session:
            await session.execute(update(User).where(User.name == "a").values(phone_verified_at=SOON))


async def test_address_has_one_open_invitation_to_an_organization(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
):
    async with database.platform() as session:
        role = await session.scalar(select(Role.id))

    async def invite(organization: UUID, **more: Any) -> None:
        row = {"email": "A@x.org", "email_key": "a@x.org", "role_id": role, "token_hash": new_id().bytes, **more}
        async with database.platform() as session:
            await session.execute(insert(Invitation).values(organization_id=organization, expires_at=SOON, **row))

    await invite(organizations[0], revoked_at=SOON)
    await invite(organizations[0], accepted_at=SOON)
    await invite(organizations[0])
    await invite(organizations[1])
    with pytest.raises(IntegrityError, match="invitations_open"):
        await invite(organizations[0])


async def test_platform_organization_is_there_from_the_start(database: Database):
    async with database.platform() as session:
        found = (await session.execute(select(Organization.id, Organization.name))).all()
    assert found == [(PLATFORM_ORGANIZATION_ID, "Singr")]


async def test_tenant_is_told_of_standing_in_its_own_organization_only(
    database: Database, organizations: tuple[UUID, UUID], people: tuple[UUID, UUID, UUID]
) -> None:
    ours, theirs = organizations
    asked = text("SELECT effective_scopes(:organization, CAST(:holder AS uuid), '{jobs:read}')")
    async with database.platform() as session:
        await session.execute(update(User).values(status="active"))
        assert await session.scalar(asked, {"organization": theirs, "holder": people[1]}) == []
        assert await session.scalar(asked, {"organization": theirs, "holder": people[0]}) is None
        assert await session.scalar(asked, {"organization": theirs, "holder": None}) == ["jobs:read"]
    async with database.tenant(ours) as session:
        assert await session.scalar(asked, {"organization": ours, "holder": people[0]}) == []
        for holder in (people[1], None):
            assert await session.scalar(asked, {"organization": theirs, "holder": holder}) is None
