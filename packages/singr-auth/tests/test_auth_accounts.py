"""Service credentials against a real database: made once, found fast, gone within a second, sealed at rest."""

import asyncio
import datetime as dt
import json
from uuid import UUID

import pytest
from sqlalchemy import text

from singr_auth import new_api_key
from singr_auth._cli import main
from singr_auth.accounts import (
    BUILT_IN_KEY_ID,
    CredentialError,
    ServiceCredentials,
    UnknownOrganizationError,
    UnknownScopeError,
)
from singr_config import IngestionSettings, Secret, Settings
from singr_config.constants import PERMISSIONS
from singr_db import Database, Sealer
from singr_dev.clock import VirtualClock

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000000a")
SEALER = Sealer(Secret("a secret for tests that is long enough"), ())
NOTHING_BUILT_IN = IngestionSettings(api_key=Secret(""), signing_secret=Secret(""))


@pytest.fixture(autouse=True)
async def _organizations(db: Database) -> None:
    async with db.platform() as session:
        for organization in (ORGANIZATION, UUID(int=7)):
            await session.execute(
                text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', :slug)"),
                {"id": organization, "slug": str(organization)},
            )


@pytest.fixture
def credentials(db: Database) -> ServiceCredentials:
    return ServiceCredentials(db, SEALER, NOTHING_BUILT_IN)


async def test_signing_credential_is_found_with_its_secret_organization_and_scopes(
    db: Database, credentials: ServiceCredentials
) -> None:
    async with db.platform() as session:
        new = await credentials.create_signing_credential(
            session, name="billing", organization_id=ORGANIZATION, scopes=["jobs:write"]
        )
    found = await credentials.signing_key(new.key_id)
    assert found is not None
    assert found.secret == new.secret
    assert found.principal.organization_id == ORGANIZATION
    assert found.principal.scopes == {"jobs:write"}
    assert found.principal.method == "signature"


async def test_api_key_is_found_and_a_mistyped_or_unknown_one_is_not(
    db: Database, credentials: ServiceCredentials
) -> None:
    async with db.platform() as session:
        new = await credentials.create_api_key(session, name="billing", scopes=["jobs:read"])
    principal = await credentials.api_key(new.secret.reveal())
    assert (principal.key_id, principal.organization_id, principal.method) == (new.key_id, None, "api_key")
    with pytest.raises(CredentialError) as mistyped:
        await credentials.api_key(new.secret.reveal()[:-1] + "!")
    assert mistyped.value.code == "malformed"
    with pytest.raises(CredentialError) as unknown:
        await credentials.api_key(new_api_key().secret.reveal())
    assert unknown.value.code == "unknown"


async def test_revoked_credential_is_refused_within_a_second_in_another_process(db: Database) -> None:
    ours, theirs = (ServiceCredentials(db, SEALER, NOTHING_BUILT_IN) for _ in range(2))
    async with db.platform() as session:
        new = await ours.create_signing_credential(session, name="x", scopes=["jobs:read"])
    assert await theirs.signing_key(new.key_id) is not None
    async with db.platform() as session:
        assert await ours.revoke(session, new.key_id)
    assert await ours.signing_key(new.key_id) is None
    async with asyncio.timeout(20):  # how long one remembers: test_auth_cache.py
        while await theirs.signing_key(new.key_id) is not None:  # noqa: ASYNC110 — nobody tells when
            await asyncio.sleep(0.05)
    async with db.platform() as session:
        assert not await ours.revoke(session, new.key_id)


async def test_expired_credential_is_refused_even_while_remembered(
    clock: VirtualClock, db: Database, credentials: ServiceCredentials
) -> None:
    soon = clock.now() + dt.timedelta(hours=1)
    async with db.platform() as session:
        new = await credentials.create_api_key(session, name="x", scopes=["jobs:read"], expires_at=soon)
    await credentials.api_key(new.secret.reveal())
    clock.move_to(soon + dt.timedelta(seconds=1))
    with pytest.raises(CredentialError):
        await credentials.api_key(new.secret.reveal())


async def test_database_holds_no_usable_secret(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        signing = await credentials.create_signing_credential(session, name="x", scopes=["jobs:read"])
        api = await credentials.create_api_key(session, name="y", scopes=["jobs:read"])
    async with db.platform() as session:
        rows = (await session.execute(text("SELECT to_jsonb(c)::text, secret_sealed FROM service_credentials c"))).all()
    assert len(rows) == 2
    for shown, sealed in rows:
        for secret in (signing.secret.reveal(), api.secret.reveal()):
            assert secret not in shown
            assert secret.encode().hex() not in shown
            assert sealed is None or secret.encode() not in bytes(sealed)


async def test_sealed_secret_moved_to_another_row_does_not_open(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        mine = await credentials.create_signing_credential(session, name="mine", scopes=["jobs:read"])
        admin = await credentials.create_signing_credential(session, name="admin", scopes=list(PERMISSIONS))
        await session.execute(
            text(
                "UPDATE service_credentials SET secret_sealed ="
                " (SELECT secret_sealed FROM service_credentials WHERE key_id = :mine) WHERE key_id = :admin"
            ),
            {"mine": mine.key_id, "admin": admin.key_id},
        )
    assert await credentials.signing_key(admin.key_id) is None


async def test_rolled_back_credential_does_not_exist(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        made = await credentials.create_api_key(session, name="x", scopes=["jobs:read"])
        await session.rollback()
    with pytest.raises(CredentialError):
        await credentials.api_key(made.secret.reveal())


async def test_unknown_scope_is_refused_by_name(db: Database, credentials: ServiceCredentials) -> None:
    with pytest.raises(UnknownScopeError, match="jobs:everything"):
        async with db.platform() as session:
            await credentials.create_api_key(session, name="x", scopes=["jobs:everything"])


async def test_unknown_organization_is_refused(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        with pytest.raises(UnknownOrganizationError):
            await credentials.create_api_key(session, name="x", organization_id=UUID(int=9), scopes=["jobs:read"])


@pytest.mark.parametrize("key_id", ["", "unknown", "x" * 65, "nul\0", "é", "env"])
async def test_odd_key_ids_are_unknown_not_errors(credentials: ServiceCredentials, key_id: str) -> None:
    assert await credentials.signing_key(key_id) is None


@pytest.mark.parametrize("presented", ["", "\0", "é", "\udcff", "x" * 10_000])
async def test_odd_api_keys_are_refused_not_errors(credentials: ServiceCredentials, presented: str) -> None:
    with pytest.raises(CredentialError):
        await credentials.api_key(presented)


async def test_credentials_of_the_environment_act_for_any_organization_with_all_scopes(db: Database) -> None:
    built_in = IngestionSettings(api_key=Secret("plain-old-key"), signing_secret=Secret("s3cret"))
    credentials = ServiceCredentials(db, SEALER, built_in)
    record = await credentials.signing_key(BUILT_IN_KEY_ID)
    assert record is not None
    assert record.secret == Secret("s3cret")
    principal = await credentials.api_key("plain-old-key")
    for found in (record.principal, principal):
        assert (found.key_id, found.organization_id, found.scopes) == ("env", None, frozenset(PERMISSIONS))


async def test_last_use_is_written_down(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        used = await credentials.create_api_key(session, name="used", scopes=["jobs:read"])
        signing = await credentials.create_signing_credential(session, name="signed", scopes=["jobs:read"])
        await credentials.create_api_key(session, name="idle", scopes=["jobs:read"])
    await credentials.api_key(used.secret.reveal())
    credentials.mark_used(signing.key_id)
    await credentials.close()
    async with db.platform() as session:
        rows = {row.name: row.last_used_at for row in await credentials.list(session)}
    assert rows["used"] is not None
    assert rows["signed"] is not None
    assert rows["idle"] is None


async def test_a_tenant_session_lists_its_own_credentials_only(db: Database, credentials: ServiceCredentials) -> None:
    async with db.platform() as session:
        own = await credentials.create_api_key(session, name="own", organization_id=ORGANIZATION, scopes=["jobs:read"])
        await credentials.create_api_key(session, name="platform", scopes=["jobs:read"])
        await credentials.create_api_key(session, name="other", organization_id=UUID(int=7), scopes=["jobs:read"])
    async with db.tenant(ORGANIZATION) as session:
        assert [row.key_id for row in await credentials.list(session)] == [own.key_id]


async def test_operator_makes_lists_and_revokes_a_credential_from_the_shell(
    settings: Settings,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("singr_auth._cli.load_settings", lambda: settings)

    async def run(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(main, arguments)  # the command runs an event loop of its own
        return status, capsys.readouterr().out

    status, out = await run("create-credential", "--name", "billing", "--organization", str(ORGANIZATION), "--json")
    assert status == 0
    shown = json.loads(out)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(db, sealer, settings.ingestion)
    found = await credentials.signing_key(shown["key_id"])
    assert found is not None
    assert found.secret.reveal() == shown["secret"]
    assert found.principal.organization_id == ORGANIZATION

    status, out = await run("create-credential", "--name", "b", "--kind", "api_key", "--scope", "jobs:read")
    assert status == 0
    assert "sk_live_" in out
    assert (await run("create-credential", "--name", "b", "--scope", "nonsense"))[0] == 2

    status, out = await run("list")
    assert status == 0
    assert shown["key_id"] in out
    assert shown["secret"] not in out

    assert (await run("revoke", shown["key_id"]))[0] == 0
    assert (await run("revoke", shown["key_id"]))[0] == 1
    assert "revoked" in (await run("list"))[1]


@pytest.mark.parametrize("days", ["0", "-1", "nan", "1e300", "3651", "soon"])
def test_expiry_that_is_no_sane_number_of_days_is_refused_from_the_shell(
    days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["create-credential", "--name", "b", "--expires-in-days", days])
    assert refused.value.code == 2
    assert "--expires-in-days" in capsys.readouterr().err
