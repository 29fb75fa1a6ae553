"""When schedules fire: cron expressions, zones whose clocks change, intervals; what is refused by its field."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from singr_jobs.schedules import Cron, Every, Once, ScheduleError, preview
from singr_jobs.schedules._drafts import draft_of
from singr_jobs.schedules._plan import GRACE, Met, Stored, plan
from singr_jobs.schedules._when import Rule

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "code", "words"),
    [
        ("0 0 31 2 *", "never-fires", "no date of the calendar"),
        ("0 0 30 2 *", "never-fires", "no date of the calendar"),
        ("0 0 31 4,6,9,11 *", "never-fires", "no date of the calendar"),
        ("0 0 */31 * MON#5", "never-fires", "no date of the calendar"),
        ("0-99999999 * * * *", "cron-invalid", "as its minute"),
        ("*/100000000 * * * *", "cron-invalid", "as its minute"),
        ("* 24 * * *", "cron-invalid", "as its hour"),
        ("* * 0 * *", "cron-invalid", "as its day of the month"),
        ("* * * FOO *", "cron-invalid", "as its month"),
        ("* * * * 8", "cron-invalid", "as its day of the week"),
        ("60 * * * * *", "cron-invalid", "as its second"),
        ("* * * *", "cron-invalid", "4 fields"),
        ("", "cron-invalid", "0 fields"),
        ("1," * 80 + "1 * * * *", "cron-invalid", "as its minute"),
        ("* " * 200, "cron-invalid", "at most 200 letters"),
        ("²L * * * *", "cron-invalid", "at most 200 letters"),
        (b"* * * * *", "cron-invalid", "at most 200 letters"),
    ],
)
def test_an_expression_that_is_none_or_never_fires_is_refused_by_its_field(expression, code: str, words: str):
    with pytest.raises(ScheduleError, match="cron") as caught:
        Cron(expression, "Europe/Berlin")
    assert (caught.value.field, caught.value.code) == ("cron", code)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Atlantis",
        "europe/berlin",
        "Europe",
        "../../etc/passwd",
        "tzdata.zi",
        "Factory",
        "localtime",
        "right/UTC",
        "",
        1,
    ],
)
def test_a_zone_that_is_none_is_refused_by_its_field(name):
    with pytest.raises(ScheduleError) as caught:
        Cron("* * * * *", name)
    assert (caught.value.field, caught.value.code) == ("time_zone", "zone-unknown")


@pytest.mark.parametrize("seconds", [0, -1, 0.999, float("nan"), float("inf"), 367 * 86_400, "60", True, timedelta(1)])
def test_an_interval_below_a_second_or_beyond_a_year_is_refused_by_its_field(seconds):
    with pytest.raises(ScheduleError, match="every must be 1 to"):
        Every(seconds)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(2200, 1, 1, tzinfo=UTC), "2026-01-01"])  # noqa: DTZ001 — refused
def test_a_time_without_zone_or_beyond_two_centuries_is_refused_by_its_field(moment):
    with pytest.raises(ScheduleError, match="at must be a time with its zone") as refused:
        Once(moment)
    is_naive = isinstance(moment, datetime) and moment.tzinfo is None
    assert ("not a naive one: 2026-01-01T00:00:00" in refused.value.message) == is_naive


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "a" * 101}),
        ("when", {"when": "* * * * *"}),
        ("missed", {"missed": "some"}),
        ("overlap", {"overlap": "allow"}),
        ("overlap", {"missed": "all", "overlap": "skip"}),
        ("jitter", {"jitter": -1}),
        ("jitter", {"jitter": 86_401}),
        ("missed_within", {"missed_within": 59}),
        ("starts", {"starts": "tomorrow"}),
        ("ends", {"starts": NOON, "ends": NOON}),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_its_field(field: str, options):
    with pytest.raises(ScheduleError) as caught:
        draft_of(**{"name": "nightly", "when": Every(60)} | options)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("expression", "zone", "after", "fires"),
    [  # the clocks of Berlin: back on 25 October at 01:00 UTC, forward on 29 March at 01:00 UTC
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["25 00:30", "26 01:30"], id="once in the doubled hour"
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["26 01:30", "27 01:30"], id="asked in its second half"
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["29 01:00", "30 00:30"],
            id="right after the skipped hour",
        ),
        pytest.param(
            "0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["29 01:00", "30 00:00"], id="two of them are one"
        ),
        pytest.param(
            "0 * * * *", "Europe/Berlin", "2026-10-24T23:30", ["25 00:00", "25 01:00", "25 02:00"], id="each real hour"
        ),
        pytest.param(
            "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:10", ["29 00:30", "29 01:00", "29 01:30"], id="no hole"
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["03 15:30", "04 15:15"], id="half an hour skipped"
        ),
        pytest.param(
            "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["04 14:45", "05 15:15"], id="half an hour doubled"
        ),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["29 00:00"], id="leap day"),
        pytest.param(
            "*/20 * * * * *", "UTC", "2026-01-01T00:00:01", ["01 00:00", "01 00:00", "01 00:01"], id="seconds"
        ),
    ],
)
def test_times_keep_to_clocks_that_change(expression: str, zone: str, after: str, fires: list[str]):
    cron = Cron(expression, zone)
    found = preview(cron, at(after), len(fires)).next_fires
    assert [time.strftime("%d %H:%M") for time in found] == fires
    assert [cron.until(time + timedelta(microseconds=1)) for time in found] == found


def test_an_interval_is_counted_from_the_start_and_ends_with_the_end():
    rule = Rule(Every(90), NOON, NOON, NOON + timedelta(minutes=4))
    times = [rule.after(NOON - timedelta(days=1))]
    while times[-1] is not None:
        times.append(rule.after(times[-1]))
    assert times == [NOON, *(NOON + timedelta(seconds=90 * count) for count in (1, 2)), None]
    assert rule.until(NOON + timedelta(days=1)) == NOON + timedelta(seconds=180)
    assert rule.until(NOON - timedelta(seconds=1)) is None


def test_a_preview_tells_times_and_words_and_refuses_what_cannot_be():
    told = preview(Cron("30 2 * * 1-5", "Europe/Berlin"), NOON, 2)
    assert told.in_words == "At 02:30 on Monday through Friday (Europe/Berlin)"
    assert told.next_fires == [at("2026-11-30T01:30"), at("2026-12-01T01:30")]
    assert preview(Every(7200), NOON, 1).in_words == "Every 2 hours"
    assert preview(Once(NOON), NOON).next_fires == []
    for field, options in {"count": {"count": 101}, "after": {"after": "now"}}.items():
        with pytest.raises(ScheduleError) as caught:
            preview(**{"when": Every(60), "after": NOON} | options)
        assert caught.value.field == field


def stored(**given) -> Stored:
    """Due at noon and each minute from then on."""
    return Stored(
        **{
            **dict.fromkeys(Stored.__struct_fields__),
            "id": uuid4(),
            "organization_id": uuid4(),
            "name": "n",
            "state": "active",
            "every": 60.0,
            "anchor_at": NOON,
            "jitter": 0.0,
            "missed": "latest",
            "missed_within": 600.0,
            "overlap": "skip",
            "next_fire_at": NOON,
            "late_by": 0.0,
            **given,
        }
    )


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def told(met: list[Met]) -> list[tuple[str, float, float | None]]:
    """What became of the times, as minutes after noon."""
    past = lambda time: None if time is None else (time - NOON).total_seconds() / 60  # noqa: E731 — short
    return [(one.outcome, past(one.fire_at), past(one.until)) for one in met]


@pytest.mark.parametrize(
    ("given", "now", "busy", "met", "following"),
    [
        pytest.param({}, 0, False, [("fired", 0, None)], 1, id="due"),
        pytest.param({}, -1, False, [], 0, id="not due"),
        pytest.param({"state": "paused"}, 0, False, [], 0, id="paused"),
        pytest.param({}, 3.5, False, [("missed", 0, 2), ("fired", 3, None)], 4, id="the latest is made up for"),
        pytest.param({"missed": "skip"}, 0.5, False, [("fired", 0, None)], 1, id="a little late is no missed run"),
        pytest.param({"missed": "skip", "every": 600.0}, 3, False, [("missed", 0, None)], 10, id="missed are skipped"),
        pytest.param({"missed": "all", "overlap": "queue"}, 3.5, False, [("fired", 0, None)], 1, id="all, in order"),
        pytest.param({}, 60, False, [("missed", 0, 59), ("fired", 60, None)], 61, id="an hour away"),
        pytest.param(
            {"missed": "all", "overlap": "queue"}, 60, False, [("missed", 0, 49), ("fired", 50, None)], 51, id="window"
        ),
        pytest.param({"ends_at": minutes(2)}, 60, False, [("missed", 0, 2)], None, id="ended while nobody was there"),
        pytest.param({}, 0, True, [("skipped", 0, None)], 1, id="the one before runs"),
        pytest.param({}, 3, True, [("skipped", 0, 3)], 4, id="and ran over several times"),
        pytest.param({"overlap": "queue"}, 0, True, [], 0, id="waits for it"),
        pytest.param({"overlap": "queue", "held_at": NOON}, 3, False, [("fired", 0, None)], 1, id="waited for it"),
        pytest.param({"overlap": "cancel_running"}, 0, True, [("fired", 0, None)], 1, id="in its place"),
        pytest.param({"asked_at": minutes(-5)}, -5, True, [("asked", -5, None)], 0, id="asked for"),
        pytest.param({"late_by": 90.0, "jitter": 90.0}, 1, False, [], 0, id="jitter"),
        pytest.param({"late_by": 90.0, "jitter": 90.0}, 2, False, [("fired", 0, None)], 1, id="jitter is not late"),
    ],
)
def test_what_becomes_of_times(given, now: float, busy, met, following: float | None):
    schedule = stored(**given)
    made = plan(schedule, schedule.rule, minutes(now), busy=busy)
    assert told(made.met) == met
    assert made.next_fire_at == (None if following is None else minutes(following))
    assert made.cancels is (given.get("overlap") == "cancel_running")


def test_what_waits_for_the_job_before_is_looked_at_less_and_less_often():
    schedule = stored(overlap="queue", held_at=NOON)
    waits = [plan(schedule, schedule.rule, minutes(past), busy=True).held_until for past in (0, 1, 60)]
    assert waits == [minutes(0) + timedelta(seconds=1), minutes(1) + timedelta(seconds=15), minutes(61)]
    assert timedelta(seconds=60) == GRACE
