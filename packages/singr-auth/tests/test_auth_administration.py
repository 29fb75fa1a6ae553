"""Accounts in their owners' hands and in those of operators: read, disabled, deleted, and all of it written down."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from organizations_support import House
from sqlalchemy import text

from singr_auth._cli import main
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    ConflictError,
    InvalidCredentialsError,
    MagicLinkByEmail,
    NotAllowedError,
    NotFoundError,
    SecurityNotice,
    SignedIn,
    TokenRefusedError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret, Settings
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import Database, new_id
from singr_db.pages import InvalidCursor

MakeClient = Callable[..., ClientInfo]
ADMIN = "user:01920000-0000-7000-8000-0000000000ff"


async def signed_in(accounts: Accounts, email: str, password: Secret, caller: ClientInfo) -> SignedIn:
    result = await accounts.password_sign_in.sign_in(email, password, caller)
    assert isinstance(result, SignedIn)
    return result


async def revoked(accounts: Accounts, session_id: UUID) -> bool:
    accounts.access_feed._asked = float("-inf")  # look now, not within half a second
    await accounts.access_feed.ensure_fresh()
    return accounts.access_feed.session_revoked(session_id)


async def join(db: Database, user_id: UUID, organization_id: UUID, role: str = "customer_owner") -> None:
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'Blue Note', :slug) ON CONFLICT DO NOTHING"),
            {"id": organization_id, "slug": str(organization_id)},
        )
        await session.execute(
            text(
                "INSERT INTO memberships (organization_id, user_id, role_id) VALUES"
                " (:organization, :user, (SELECT id FROM roles WHERE name = :role AND organization_id IS NULL))"
            ),
            {"organization": organization_id, "user": user_id, "role": role},
        )


# ---- one's own account --------------------------------------------------------------------------------------------


async def test_profile_says_what_there_is_and_no_secret(
    accounts: Accounts, db: Database, person: Any, client: MakeClient
) -> None:
    user, organization = await person(), new_id()
    await join(db, user.id, organization)
    profile = await accounts.profiles.read(user.id)
    assert (profile.email, profile.email_verified, profile.has_password, profile.second_factors) == (
        user.email,
        True,
        True,
        (),
    )
    assert [(one.id, one.role) for one in profile.organizations] == [(organization, "customer_owner")]
    assert (await accounts.profiles.rename(user.id, " Ada King ", client())).name == "Ada King"
    with pytest.raises(NotFoundError):
        await accounts.profiles.read(new_id())


async def test_trail_is_ones_own_in_pages_and_names_nobody_else(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user, other = await person(), await person()
    caller = client()
    await signed_in(accounts, user.email, password, caller)
    await signed_in(accounts, other.email, password, client())
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, Secret("wrong"), client())
    async with db.platform() as session:
        await accounts.administration.revoke_sessions(session, user.id, actor=ADMIN)
    pages = []
    cursor: str | None = None
    while True:
        page = await accounts.profiles.events(user.id, limit=2, cursor=cursor)
        pages.append(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    events = [event for page in pages for event in page.items]
    assert [(event.kind, event.actor) for event in events] == [
        ("sessions.revoked", "operator"),
        ("sign_in.failed", "anonymous"),
        ("sign_in.succeeded", "you"),
    ]
    assert (events[-1].address, events[-1].device) == (caller.address, "Firefox on Linux")
    with pytest.raises(InvalidCursor):
        await accounts.profiles.events(user.id, cursor="nonsense")


async def test_deleted_account_leaves_no_name_no_way_in_and_a_free_address(
    accounts: Accounts,
    db: Database,
    notifier: RecordingNotifier,
    person: Any,
    client: MakeClient,
    password: Secret,
) -> None:
    user, organization = await person(), new_id()
    await join(db, user.id, organization)
    session = await signed_in(accounts, user.email, password, client())
    await accounts.magic_links.request_by_email(user.email, client())
    await accounts.profiles.delete(user.id, session.session_id, client())
    assert (notifier.last(SecurityNotice).event, notifier.last(SecurityNotice).to.email) == (
        "account_deleted",
        user.email,
    )
    assert await revoked(accounts, session.session_id)
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    tables = ("users", "memberships", "devices", "one_time_tokens", "auth_sessions", "security_events")
    async with db.platform() as transaction:
        rows = "".join([str((await transaction.execute(text(f"SELECT t::text FROM {one} t"))).all()) for one in tables])
        assert await transaction.scalar(text("SELECT count(*) FROM memberships")) == 0
        assert await transaction.scalar(text("SELECT status FROM users WHERE id = :id"), {"id": user.id}) == "deleted"
    assert user.email not in rows
    assert user.name not in rows
    again = await person(user.email)
    assert again.id != user.id
    await signed_in(accounts, user.email, password, client())


async def test_last_owner_of_an_organization_with_members_has_to_hand_it_over_first(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    owner, member, organization = await person(), await person(), new_id()
    await join(db, owner.id, organization)
    await join(db, member.id, organization, "customer_staff")
    session = await signed_in(accounts, owner.email, password, client())
    with pytest.raises(ConflictError):
        await accounts.profiles.delete(owner.id, session.session_id, client())
    await signed_in(accounts, owner.email, password, client())
    assert (await accounts.profiles.read(owner.id)).organizations


async def test_two_owners_who_leave_at_once_do_not_both_leave(
    make_accounts: Callable[..., Accounts], db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    accounts = make_accounts()
    owners, organization = [await person(), await person()], new_id()
    member = await person()
    for owner in owners:
        await join(db, owner.id, organization)
    await join(db, member.id, organization, "customer_staff")
    sessions = [await signed_in(accounts, owner.email, password, client()) for owner in owners]
    results = await asyncio.gather(
        *(
            accounts.profiles.delete(owner.id, session.session_id, client())
            for owner, session in zip(owners, sessions, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["ConflictError", "NoneType"]


# ---- operators ----------------------------------------------------------------------------------------------------


async def test_disabling_ends_sessions_and_links_at_once_and_enabling_opens_again(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    """S10."""
    user = await person()
    session = await signed_in(accounts, user.email, password, client())
    await accounts.magic_links.request_by_email(user.email, client())
    async with db.platform() as transaction:
        shown = await accounts.administration.disable(transaction, user.id, actor=ADMIN, client=client())
    assert shown.status == "disabled"
    assert await revoked(accounts, session.session_id)
    assert (notifier.last(SecurityNotice).event, notifier.last(SecurityNotice).address) == ("account_disabled", None)
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    told = len(notifier.notices)
    async with db.platform() as transaction:
        await accounts.administration.disable(transaction, user.id, actor=ADMIN)  # again: nothing
    assert len(notifier.notices) == told
    async with db.platform() as transaction:
        assert (await accounts.administration.enable(transaction, user.id, actor=ADMIN)).status == "active"
    await signed_in(accounts, user.email, password, client())
    async with db.platform() as transaction:
        kinds = await transaction.scalars(
            text("SELECT kind FROM security_events WHERE actor = :actor ORDER BY id"), {"actor": ADMIN}
        )
        assert list(kinds) == ["account.disabled", "account.enabled"]


async def test_account_that_was_never_verified_is_pending_again_when_enabled(
    accounts: Accounts, db: Database, person: Any
) -> None:
    user = await person(verified=False)
    async with db.platform() as session:
        await accounts.administration.disable(session, user.id, actor=ADMIN)
        assert (await accounts.administration.enable(session, user.id, actor=ADMIN)).status == "pending"


async def test_operators_leave_themselves_the_deleted_and_the_unknown_alone(
    accounts: Accounts, db: Database, person: Any
) -> None:
    user = await person()
    for who, error in ((user.id, NotAllowedError), (new_id(), NotFoundError)):
        with pytest.raises(error):
            async with db.platform() as session:
                await accounts.administration.disable(session, who, actor=f"user:{user.id}")
    async with db.platform() as session:
        await session.execute(text("UPDATE users SET status = 'deleted', email = NULL, email_key = NULL"))
    with pytest.raises(ConflictError):
        async with db.platform() as session:
            await accounts.administration.enable(session, user.id, actor=ADMIN)


async def test_incident_ends_every_session_and_link_and_leaves_passwords(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    users = [await person() for _ in range(3)]
    sessions = [await signed_in(accounts, user.email, password, client()) for user in users]
    await accounts.magic_links.request_by_email(users[0].email, client())
    assert not await revoked(accounts, sessions[0].session_id)
    async with db.platform() as transaction:
        assert await accounts.administration.revoke_everything(transaction, actor="system") == 3
    for session in sessions:
        assert await revoked(accounts, session.session_id)
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    await signed_in(accounts, users[0].email, password, client())


async def test_operator_works_from_the_shell(
    settings: Settings,
    accounts: Accounts,
    db: Database,
    person: Any,
    client: MakeClient,
    password: Secret,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)

    async def run(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(main, arguments)  # the command runs an event loop of its own
        return status, capsys.readouterr().out

    user, other = await person(), await person()
    session = await signed_in(accounts, user.email, password, client())
    status, out = await run("users", "list", "--json")
    assert status == 0
    assert {row["id"] for row in json.loads(out)} == {str(user.id), str(other.id)}
    assert "argon2" not in out
    status, out = await run("users", "list", "--email", user.email.upper())
    assert out.startswith(f"{user.id}  active  customer")
    assert len(out.splitlines()) == 1
    status, out = await run("users", "disable", user.email)
    assert (status, "disabled" in out) == (0, True)
    assert await revoked(accounts, session.session_id)
    assert (await run("users", "enable", str(user.id)))[0] == 0
    await signed_in(accounts, user.email, password, client())
    assert (await run("users", "revoke-sessions", user.email)) == (0, "Ended 1 sessions.\n")
    assert (await run("users", "disable", "nobody@example.org"))[0] == 1
    assert (await run("users", "enable", str(new_id())))[0] == 1
    last = await signed_in(accounts, other.email, password, client())
    assert (await run("revoke-everything"))[0] == 2
    assert not await revoked(accounts, last.session_id)
    status, out = await run("revoke-everything", "--yes")
    assert (status, "Ended 1 sessions" in out) == (0, True)
    assert await revoked(accounts, last.session_id)
    async with db.platform() as transaction:
        kinds = await transaction.scalars(text("SELECT kind FROM security_events WHERE actor = 'operator-shell'"))
        assert "sessions.revoked_everywhere" in list(kinds)


async def test_platform_administrator_is_made_from_the_shell_and_unmade(
    settings: Settings,
    accounts: Accounts,
    db: Database,
    person: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)

    async def run(*arguments: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, arguments)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    user = await person()
    assert await accounts.permissions.platform(user.id) == frozenset()
    status, out, err = await run("users", "grant", user.email, "admin")
    assert (status, "admin" in out, "second factor" in err) == (0, True, True)
    await until_platform(accounts, user.id, ROLE_PERMISSIONS["admin"])
    assert (await run("users", "list", "--role", "admin"))[1].startswith(str(user.id))
    assert (await run("users", "list", "--role", "support_admin"))[1] == ""
    assert (await run("users", "revoke", user.email))[0] == 0
    await until_platform(accounts, user.id, frozenset())
    status, _, err = await run("users", "revoke", user.email)
    assert (status, err) == (1, "They have no role on the platform.\n")
    async with db.platform() as session:
        written = list(
            await session.execute(
                text("SELECT kind, actor, detail ->> 'role' FROM security_events WHERE user_id = :id ORDER BY id"),
                {"id": user.id},
            )
        )
    assert [tuple(row) for row in written] == [
        ("platform_role.granted", "operator-shell", "admin"),
        ("platform_role.revoked", "operator-shell", "admin"),
    ]


async def until_platform(accounts: Accounts, user_id: UUID, wanted: frozenset[str]) -> None:
    async with asyncio.timeout(5):
        while await accounts.permissions.platform(user_id) != wanted:  # noqa: ASYNC110 — a change of another process
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("whose", "words"), [("pending", "pending"), ("nobody@example.org", "no such user")])
async def test_role_on_the_platform_takes_an_account_that_is_active(
    settings: Settings,
    person: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    whose: str,
    words: str,
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)
    address = (await person(verified=False)).email if whose == "pending" else whose
    assert await asyncio.to_thread(main, ("users", "grant", address, "admin")) == 1
    assert words in capsys.readouterr().err


async def test_organizations_are_found_from_the_shell(
    settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)
    organization = await house.organization(await house.person(), "Blue Note")
    await house.organization(await house.person(), "Elsewhere")
    assert await asyncio.to_thread(main, ("organizations", "list", "--name", "blue n")) == 0
    assert capsys.readouterr().out == f"{organization}  blue-note  1 member  Blue Note\n"


# ---- for users' own tests -----------------------------------------------------------------------------------------


async def test_recording_notifier_keeps_what_was_committed_and_nothing_else(
    db: Database, notifier: RecordingNotifier, person: Any
) -> None:
    user = await person()

    def notice(number: int) -> MagicLinkByEmail:
        return MagicLinkByEmail(to=user.target, token=Secret("x"), expires_in=number, address="local")

    async with db.platform() as session:
        await notifier.notify(session, notice(1))
        async with session.begin_nested() as savepoint:
            await notifier.notify(session, notice(2))
            await savepoint.rollback()
        async with session.begin_nested():
            await notifier.notify(session, notice(3))
            async with session.begin_nested() as inner:
                await notifier.notify(session, notice(4))
                await inner.rollback()
        assert notifier.notices == []
    assert [one.expires_in for one in notifier.of(MagicLinkByEmail)] == [1, 3]
    async with db.platform() as session:
        await notifier.notify(session, notice(5))
        await session.rollback()
    assert len(notifier.notices) == 2
    with pytest.raises(LookupError):
        notifier.last(SecurityNotice)
