"""A key of a person that cannot be opened is their own loss, and nobody else's."""

import pytest
from comms_queueing import ORGANIZATION, SEALER
from loguru import logger
from sqlalchemy import text

from singr_comms.people import (
    DeviceInput,
    NamedRecipient,
    RecipientInput,
    import_recipients,
    list_devices,
    list_recipients,
    put_recipient,
    recipient_named,
    register_device,
)
from singr_db import Database
from singr_db.tables import Organization

DEVICE = DeviceInput(token="a-token:0123456789", platform="ios")
_KEY_OF = "(SELECT key_id FROM recipients WHERE external_id = 'u-1')"


@pytest.fixture(params=[0, 2, 40], ids=["no form", "unknown secret", "altered"])
async def broken(db: Database, request: pytest.FixtureRequest) -> None:
    """Two people, of whom the first's key has a byte that is another one."""
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with db.tenant(ORGANIZATION) as session:
        for name in ("u-1", "u-2"):
            await put_recipient(session, name, RecipientInput(name=name, email=f"{name}@example.org"), sealer=SEALER)
        await register_device(session, await recipient_named(session, "u-1"), DEVICE, sealer=SEALER)
    async with db.platform() as session:
        alter = f"set_byte(wrapped, {request.param}, 255 - get_byte(wrapped, {request.param}))"
        await session.execute(text(f"UPDATE data_keys SET wrapped = {alter} WHERE id = {_KEY_OF}"))


async def names(db: Database) -> list[str | None]:
    async with db.tenant(ORGANIZATION) as session:
        return [one.name for one in (await list_recipients(session, sealer=SEALER)).items]


@pytest.mark.usefixtures("broken")
async def test_who_has_it_is_shown_without_a_name_and_told_of_in_one_line(db: Database) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="ERROR", format="{message}")
    assert await names(db) == ["u-2", None]
    logger.remove(sink)
    [line] = said
    assert line.startswith("1 keys of people cannot be opened")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("at_once", [True, False], ids=["import", "put"])
async def test_whoever_is_put_gets_another_key_and_their_former_one_is_kept_for_the_log(
    db: Database, *, at_once: bool
) -> None:
    async with db.tenant(ORGANIZATION) as session:
        if at_once:
            people = [NamedRecipient(external_id=name, name=name) for name in ("u-1", "u-2")]
            await import_recipients(session, people, sealer=SEALER)
        else:
            await put_recipient(session, "u-1", RecipientInput(name="u-1"), sealer=SEALER)
    assert await names(db) == ["u-2", "u-1"]
    async with db.tenant(ORGANIZATION) as session:
        person = await recipient_named(session, "u-1")
        assert await list_devices(session, person) == ()
        await register_device(session, person, DEVICE, sealer=SEALER)
    async with db.platform() as session:
        asked = text("SELECT external_id, cardinality(prints) FROM data_keys WHERE released_at IS NOT NULL")
        assert [tuple(row) for row in await session.execute(asked)] == [("u-1", 2)]
