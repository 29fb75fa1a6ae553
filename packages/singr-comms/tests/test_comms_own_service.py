"""The services of the guides do what the guides say: a team's own, with the core alone and with a database."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from comms_guides import own_types
from comms_queueing import ORGANIZATION, SEALER, all_rows
from sqlalchemy import text

from singr_config import Settings, load_section
from singr_db import Database
from singr_db.tables import Organization
from singr_dev.simulators import fcm as fcm_simulator
from singr_jobs import cancel_job


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module of the guides."""
    own_types(monkeypatch)
    return importlib.import_module


@pytest.mark.parametrize("module", ["test_parcel_service", "test_postbox", "test_parcel_readers"])
def test_the_tests_that_the_guides_show_pass(example: Callable[[str], ModuleType], module: str) -> None:
    shown = example(module)
    suites = [one() for name, one in vars(shown).items() if name.startswith("Test") and inspect.isclass(one)]
    tests = [getattr(where, name) for where in (shown, *suites) for name in dir(where) if name.startswith("test_")]
    assert len(tests) > 1
    for test in tests:
        test()


async def test_a_service_asks_why_a_message_would_not_go(
    example: Callable[[str], Any], db: Database, settings: Settings
) -> None:
    words = await example("asking_why").why_not(settings, db, SEALER, ORGANIZATION)
    assert words.startswith("It would be ")


async def test_a_service_with_a_database_sends_what_its_transaction_committed(
    example: Callable[[str], Any],
    database_url: str,
    redis_url: str,
    inbox: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    orders = example("parcel_orders")
    environ = {"APP_ENV": "test", "DATABASE_URL": database_url, "REDIS_URL": redis_url, **inbox.environ}
    settings = load_section(orders.Parcels, environ, env_file=None)
    await orders.run(settings, ORGANIZATION)
    assert "parcel_ready sent j***@example.org smtp" in capsys.readouterr().out
    [mail] = inbox.mails
    assert b"A parcel waits for you at Corner" in mail.raw


async def test_a_service_tells_its_readers_by_four_ways_and_leaves_out_what_they_do_not_want(
    example: Callable[[str], Any],
    db: Database,
    database_url: str,
    redis_url: str,
    mailjet: Any,
    twilio: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    readers = example("parcel_readers")
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Parcels", slug="parcels"))
    with fcm_simulator.serve() as fcm:
        environ = {"APP_ENV": "test", "DATABASE_URL": database_url, "REDIS_URL": redis_url}
        environ |= mailjet.environ | twilio.environ | fcm.environ
        await readers.run(load_section(readers.Parcels, environ, env_file=None), ORGANIZATION)
    first, second, inbox = capsys.readouterr().out.splitlines()
    assert ast.literal_eval(first) == {"email": "sent", "sms": "sent", "push": "sent", "inbox": "delivered"}
    assert ast.literal_eval(second) == ast.literal_eval(first) | {"sms": "suppressed: preference"}
    assert ast.literal_eval(inbox) == ["Your parcel is here: It waits for you at Corner."] * 2
    assert (len(mailjet.received), len(twilio.received), len(fcm.received)) == (2, 1, 2)


async def test_what_a_service_takes_back_is_not_sent_and_what_it_asks_twice_is_sent_once(
    example: Callable[[str], Any], db: Database
) -> None:
    orders = example("parcel_orders")
    async with db.tenant(ORGANIZATION) as session:
        await orders.has_come(session, "7", "jane@example.org", sealer=SEALER)
        await session.rollback()
    assert await all_rows(db) == []
    for _ in range(2):
        async with db.tenant(ORGANIZATION) as session:
            await orders.has_come(session, "7", "jane@example.org", sealer=SEALER)
    assert len(await all_rows(db)) == 1


async def test_what_a_service_asks_again_after_the_first_has_ended_is_sent_twice_or_once_for_good(
    example: Callable[[str], Any], db: Database
) -> None:
    orders = example("parcel_orders")
    made = re.findall(r"^# .*: (CREATE TABLE .*|GRANT .*)$", inspect.getsource(orders), re.MULTILINE)

    async def ask(how: str) -> Any:
        async with db.tenant(ORGANIZATION) as session:
            queued = await getattr(orders, how)(session, "7", "jane@example.org", sealer=SEALER)
        if queued:
            async with db.tenant(ORGANIZATION) as session:
                await cancel_job(session, queued.job_id)
        return queued

    async def change(*statements: str) -> None:
        async with db.platform() as session:
            for statement in statements:
                await session.execute(text(statement))

    await change(*made)
    try:
        assert (await ask("has_come")).is_new
        assert (await ask("has_come")).is_new
        assert (await ask("has_come_once")).is_new
        assert await ask("has_come_once") is None
    finally:
        await change("DROP TABLE parcels_told")
    assert len(await all_rows(db)) == 3
