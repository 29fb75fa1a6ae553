"""When quiet hours end and digests come is said alike by PostgreSQL and by Python, over both changes of clocks."""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from singr_comms.people.times._clock import digest_closes, quiet_until
from singr_db import Database

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Pacific/Apia",
    "UTC",
    "Mars/Olympus",
    None,
)
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
)


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


def drawn(number: int) -> list[dict[str, Any]]:
    """Cases around changes of clocks, from a fixed seed."""
    draw = random.Random(105)
    cases = []
    for _ in range(number):
        near = draw.choice(CHANGES) + timedelta(minutes=draw.randrange(-4320, 4320))
        cases.append(
            {
                "moment": near,
                "zone": draw.choice(ZONES),
                "starts": time(draw.randrange(24), draw.choice((0, 15, 30, 59))),
                "ends": time(draw.randrange(24), draw.choice((0, 15, 30, 59))),
                "days": draw.choice((None, sorted(draw.sample(range(1, 8), draw.randrange(1, 8))))),
                "weekday": draw.choice((None, *range(1, 8))),
                "period": draw.choice(("daily", "weekly")),
            }
        )
    return cases


LEFT_OUT = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
)


def left_out() -> list[dict[str, Any]]:
    """Cases around hours that a clock leaves out, in which quiet hours begin."""
    return [
        {"moment": change + timedelta(minutes=minutes), "zone": zone, "starts": starts, "ends": time(6), "days": None}
        | {"weekday": None, "period": "daily"}
        for zone, change in LEFT_OUT
        for starts in (time(1, 59), time(2), time(2, 15), time(2, 30), time(2, 59), time(3))
        for minutes in (-31, -1, 0, 14, 29, 30, 59, 60, 90)
    ]


ASK = text("""
SELECT quiet_until(moment, zone, starts, ends, days), digest_closes(moment, zone, starts, weekday, period)
  FROM ROWS FROM (jsonb_to_recordset(CAST(:cases AS jsonb)) AS (
           moment timestamptz, zone text, starts time, ends time, days smallint[], weekday smallint, period text))
       WITH ORDINALITY AS one (moment, zone, starts, ends, days, weekday, period, number)
 ORDER BY number
""")


async def test_postgresql_and_python_say_the_same(db: Database) -> None:
    cases = drawn(2_000) + left_out()
    async with db.platform() as session:
        asked = {"cases": msgspec.json.encode(cases).decode()}
        found = [tuple(row) for row in (await session.execute(ASK, asked)).all()]
    said = [
        (
            quiet_until(one["moment"], one["zone"], one["starts"], one["ends"], one["days"]),
            digest_closes(one["moment"], one["zone"], one["starts"], one["weekday"], period=one["period"]),
        )
        for one in cases
    ]
    assert said == found
    assert sum(quiet is not None for quiet, _ in said) > 500


NIGHT = (time(22), time(7, 30))


@pytest.mark.parametrize(
    ("moment", "hours", "days", "until"),
    [
        ("2026-11-28T20:59:59+00:00", NIGHT, None, None),
        ("2026-11-28T21:00:00+00:00", NIGHT, None, "2026-11-29T06:30:00+00:00"),
        ("2026-11-29T06:29:59+00:00", NIGHT, None, "2026-11-29T06:30:00+00:00"),
        ("2026-11-29T06:30:00+00:00", NIGHT, None, None),
        ("2026-11-29T01:00:00+00:00", NIGHT, [6], "2026-11-29T06:30:00+00:00"),  # began on Saturday
        ("2026-11-29T01:00:00+00:00", NIGHT, [7], None),
        ("2026-11-29T12:00:00+00:00", (time(0), time(0)), [6, 7], "2026-11-29T23:00:00+00:00"),
        (
            "2026-11-28T12:00:00+00:00",
            (time(0), time(0)),
            [6, 7],
            "2026-11-29T23:00:00+00:00",
        ),  # one goes into the other
        ("2026-10-25T00:15:00+00:00", (time(1), time(2, 30)), None, "2026-10-25T01:30:00+00:00"),  # the second 02:30
        ("2026-03-29T00:15:00+00:00", (time(1), time(2, 30)), None, "2026-03-29T01:30:00+00:00"),  # 03:30: no 02:30
        # 02:15 to 02:45 is quiet from the first 02:15 to the second 02:45
        ("2026-10-25T00:14:59+00:00", (time(2, 15), time(2, 45)), None, None),
        ("2026-10-25T00:15:00+00:00", (time(2, 15), time(2, 45)), None, "2026-10-25T01:45:00+00:00"),
        ("2026-10-25T01:00:00+00:00", (time(2, 15), time(2, 45)), None, "2026-10-25T01:45:00+00:00"),
        ("2026-10-25T01:45:00+00:00", (time(2, 15), time(2, 45)), None, None),
        ("2026-10-25T00:30:00+00:00", (time(2, 30), time(7)), None, "2026-10-25T06:00:00+00:00"),
        ("2026-10-25T00:30:00+00:00", (time(2, 30), time(7)), [1], None),
        # there is no 02:30: it begins as the clock goes from 02:00 to 03:00
        ("2026-03-29T00:59:59+00:00", (time(2, 30), time(7)), None, None),
        ("2026-03-29T01:00:00+00:00", (time(2, 30), time(7)), None, "2026-03-29T05:00:00+00:00"),
        ("2026-03-29T01:15:00+00:00", (time(2, 30), time(7)), [1], None),
        ("2026-03-29T01:30:00+00:00", (time(2, 30), time(7)), None, "2026-03-29T05:00:00+00:00"),
        ("2026-11-28T21:30:00+00:00", (None, None), None, None),
    ],
)
def test_quiet_hours_are_those_of_the_persons_clock(
    moment: str, hours: tuple[time | None, time | None], days: list[int] | None, until: str | None
) -> None:
    assert quiet_until(at(moment), "Europe/Berlin", *hours, days) == (until and at(until))


def test_quiet_hours_of_every_whole_day_have_an_end_far_away() -> None:
    now = at("2026-11-28T12:00:00+00:00")
    until = quiet_until(now, None, time(9), time(9))
    assert until is not None
    assert until - now > timedelta(days=8)


@pytest.mark.parametrize(
    ("after", "wanted", "weekday", "closes"),
    [
        ("2026-11-28T06:59:59+00:00", None, None, "2026-11-28T07:00:00+00:00"),
        (
            "2026-11-28T07:00:00+00:00",
            None,
            None,
            "2026-11-29T07:00:00+00:00",
        ),  # what comes at its time waits for the next
        ("2026-10-24T12:00:00+00:00", time(2, 30), None, "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T00:30:00+00:00", time(2, 30), None, "2026-10-25T01:30:00+00:00"),  # the first 02:30 is none
        ("2026-03-28T12:00:00+00:00", time(2, 30), None, "2026-03-29T01:30:00+00:00"),
        ("2026-11-28T12:00:00+00:00", None, 1, "2026-11-30T07:00:00+00:00"),
        ("2026-11-30T07:00:00+00:00", None, 1, "2026-12-07T07:00:00+00:00"),
    ],
)
def test_digests_come_at_the_first_time_behind_a_moment(
    after: str, wanted: time | None, weekday: int | None, closes: str
) -> None:
    period: Any = "daily" if weekday is None else "weekly"
    assert digest_closes(at(after), "Europe/Berlin", wanted, weekday, period=period) == at(closes)
