"""A stranger's test: it has the wheel of singr-dev, and turns the clock of its own code and database."""

import datetime as dt

import psycopg

from singr_config.clock import clock as process_clock
from singr_dev.clock import VirtualClock


def test_a_week_passes_at_once(clock: VirtualClock, database_url: str) -> None:
    before = clock.now()
    clock.advance(days=7)
    with psycopg.connect(database_url) as connection:
        [stored] = connection.execute("SELECT now()").fetchone() or [None]
    for moment in (stored, process_clock.now()):
        assert dt.timedelta(days=7) <= moment - before < dt.timedelta(days=7, minutes=2)
