"""What a worker process does beside its queues."""

from singr_db.chores import chores_in
from singr_worker._child import CHORES


def test_every_worker_keeps_the_house_in_order() -> None:
    assert {kind.name: kind.every for kind in chores_in(*CHORES)} == {
        "making partitions": 24 * 3600.0,
        "settling messages": 60.0,
        "forgetting quotas": 3600.0,
        "forgetting what signing in left": 3600.0,
    }
