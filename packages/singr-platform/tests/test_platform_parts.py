"""The parts that both apps are made of: built without a connection, opened and closed together."""

from pathlib import Path

import msgspec
import pytest
from architecture.repository import ROOT, imports
from sqlalchemy import text

from singr_comms.notifications import MessageRetention
from singr_comms.notifying import OverdueNotifications
from singr_config import Secret, Settings
from singr_db.chores import Switches, chore_kinds
from singr_jobs import Retention
from singr_observability import build_metrics
from singr_platform import Parts, all_jobs, standing_work
from singr_platform._standing_work import _ROOMS


def test_building_the_parts_connects_to_nothing(settings: Settings) -> None:
    nowhere = Secret("postgresql://nobody@127.0.0.1:1/none")
    away = msgspec.structs.replace(settings, database=msgspec.structs.replace(settings.database, url=nowhere))
    Parts(away, name="nobody")


async def test_parts_are_closed_again_with_their_block(settings: Settings) -> None:
    parts = Parts(settings, name="singr-tests")
    async with parts.running():
        async with parts.db.platform() as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
        assert await parts.redis.ping()
    assert parts.http.is_closed


def test_every_process_keeps_the_house_in_order(settings: Settings) -> None:
    chores = {chore.name: chore.every for chore in standing_work(Parts(settings, name="singr-tests").db)}
    one_of_each_package = {
        "making partitions": 24 * 3600.0,
        "bulk actions": 1.0,
        "settling messages": 5.0,
        "forgetting what signing in left": 3600.0,
    }
    assert one_of_each_package.items() <= chores.items()


def test_a_worker_builds_every_chore_that_has_a_file_whatever_it_needs(settings: Settings) -> None:
    """One whose constructor names a type that nobody hands over would be left out, and no one would know."""
    db = Parts(settings, name="singr-tests").db
    built = {type(chore) for chore in standing_work(db, build_metrics(), settings.retention)}
    assert built == set(chore_kinds(*_ROOMS)) - {Switches}
    assert {Retention, MessageRetention, OverdueNotifications} <= built


@pytest.mark.parametrize("app", ["apps/api", "apps/worker"])
def test_apps_take_job_types_and_standing_work_from_the_platform(app: str) -> None:
    """Whatever one app were to list by itself, the other would not know of."""
    for path in sorted(Path(ROOT / app / "src").rglob("*.py")):
        named = {name for _, name in imports(path.read_text())}
        assert not named & {"singr_comms.notifications.jobs", "singr_jobs.Jobs.include"}, path
        assert not [name for name in named if name.endswith(("chores", ".chores_in"))], path
    assert all_jobs().named("email.send")
