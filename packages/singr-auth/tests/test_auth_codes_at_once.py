"""The same right code, typed twice at once: it is taken once, and the other one is told what a used code is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from factors_support import PHONE, Someone, run
from sqlalchemy import text

from singr_auth.accounts import CodeBySms, CodeRefusedError
from singr_db import Database

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def both(db: Database, someone: Someone, typed: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What two at once end in, neither of which knows of the other before both have found the code right."""
    async with asyncio.TaskGroup() as tasks, db.platform() as session:
        await session.execute(text("SELECT FROM users WHERE id = :id FOR UPDATE"), {"id": someone.user_id})
        ends = [tasks.create_task(outcome(typed())) for _ in range(2)]
        async with asyncio.timeout(10):
            while (await run(db, WAITING))[0][0] < len(ends):  # noqa: ASYNC110 — a lock of the database tells nobody
                await asyncio.sleep(0.01)
    return [task.result() for task in ends]


async def outcome(doing: Awaitable[Any]) -> Any:
    try:
        return await doing
    except Exception as error:  # noqa: BLE001 — it is what is asked for
        return error


async def test_number_is_verified_once_by_one_code(someone: Someone, db: Database) -> None:
    phones = someone.accounts.phones
    await phones.add(someone.user_id, someone.session_id, PHONE, someone.client)
    code = someone.notifier.last(CodeBySms).code.reveal()
    ends = await both(db, someone, lambda: phones.verify(someone.user_id, code, someone.client))
    assert [type(end) for end in ends if not isinstance(end, str)] == [CodeRefusedError]
    assert someone.told() == ["phone_changed"]


async def test_authenticator_app_is_confirmed_once_by_one_code(someone: Someone, db: Database) -> None:
    factors, who = someone.accounts.second_factors, (someone.user_id, someone.session_id)
    someone.secret = (await factors.begin_totp(*who)).secret.reveal()
    code = someone.code()
    ends = await both(db, someone, lambda: factors.confirm_totp(*who, code, someone.client))
    assert [len(end) for end in ends if isinstance(end, tuple)] == [10]
    assert [type(end) for end in ends if not isinstance(end, tuple)] == [CodeRefusedError]
    assert someone.told() == ["second_factor_added"]
