"""Workers of others do what the platform's do, but for what such a service does not have, or do not start."""

import importlib
import inspect
import re
from types import ModuleType
from typing import Final

import pytest
from comms_guides import own_types

from singr_auth.accounts import chores as account_chores
from singr_comms.notifying import chores as notifying_chores
from singr_comms.people import chores as people_chores
from singr_config import Settings
from singr_db import Database
from singr_db.chores import chore_kinds
from singr_observability import build_metrics
from singr_platform import all_jobs, standing_work

# What the service of a guide does not have: accounts; and one that only sends to addresses, notifications and people.
_NOT_THERE: Final = {
    "parcel_readers": (account_chores,),
    "parcel_orders": (account_chores, notifying_chores, people_chores),
}
_ASKED: Final = re.compile(r"ctx\.resource\((\w+)\)")


@pytest.mark.parametrize(("module", "not_there"), _NOT_THERE.items(), ids=_NOT_THERE)
def test_a_guides_worker_has_every_chore_of_the_platforms_but_for_what_its_service_does_not_have(
    module: str, not_there: tuple[ModuleType, ...], settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_types(monkeypatch)
    metrics = build_metrics()
    ours = {type(chore) for chore in standing_work(db, metrics, settings.retention)}
    theirs = {type(chore) for chore in importlib.import_module(module).all_chores(settings, db, metrics)}
    assert theirs == ours - set(chore_kinds(*not_there))


def test_what_a_handler_asks_for_is_declared_so_that_a_worker_without_it_does_not_start() -> None:
    """Else it starts, and fails at night. Callbacks are the exception: only who takes them makes their jobs."""
    asked = {one.name: set(_ASKED.findall(inspect.getsource(one.handler))) for one in all_jobs() if one.handler}
    declared = {name: {need.__name__ for need in all_jobs().named(name).needs} for name in asked}
    assert asked == declared | {"webhook.process": {"Webhooks"}}
    assert asked["digest.close"] == {"Digests"}
