"""Memory and PostgreSQL alike: what cannot be kept or looked for is refused by its field, in the same words."""

from datetime import datetime
from typing import Any

import pytest
from alike_support import Store, ask, order
from jobs_support import ORGANIZATION

from singr_jobs import (
    BulkActionError,
    BulkFilter,
    BulkRequest,
    Priority,
    Queue,
    Rate,
    dead_letter_groups,
    dead_letters,
    list_bulk,
    list_flows,
    list_job_logs,
    list_jobs,
    list_limits,
    preview_bulk,
    set_limits,
)
from singr_jobs.queues import QueueSettingError, read_queue_history, read_queue_settings, set_queue
from singr_jobs.schedules import list_schedules

COUNT = "rate.count must be 1 to 1000000, a whole number, not "
SECONDS = "rate.seconds must be 0.001 to 86400 seconds, as a number, not "
RATES = {
    Rate(1_000_001, 1): f"{COUNT}1000001",
    Rate(2**40, 1): f"{COUNT}1099511627776",
    Rate(1, 1e-9): f"{SECONDS}1e-09",
    Rate(1, 86_401): f"{SECONDS}86401",
    Rate(1, 1e308): f"{SECONDS}1e+308",
}


async def test_rates_that_no_table_keeps_or_no_clock_counts_are_refused(served: Store) -> None:
    for rate, words in RATES.items():
        with pytest.raises(QueueSettingError) as refused:
            await order(served, set_queue, Queue.SMS, rate=rate)
        assert (str(refused.value), refused.value.field) == (words, words.partition(" ")[0])
        with pytest.raises(ValueError, match=r".") as refused_limits:
            await order(served, set_limits, "test.charge", rate=rate)
        assert str(refused_limits.value) == words
    assert (await order(served, read_queue_settings, Queue.SMS)).rate is None
    assert {one.rate for one in await order(served, list_limits)} == {None}
    for rate in (Rate(1_000_000, 0.001), Rate(1, 86_400)):
        assert (await order(served, set_queue, Queue.SMS, rate=rate)).rate == rate
        assert (await order(served, set_limits, "test.charge", rate=rate)).rate == rate


NAIVE = "needs a time zone: datetime.now(UTC) + timedelta(…), not a naive time"
MISTYPED = "must be a datetime with its time zone: datetime.now(UTC) + timedelta(…), not "
OUTSIDE = "must lie in the years 1 to 9999 in UTC too, not at 0001-01-01T00:00:00+14:00"
MOMENTS: dict[Any, str] = {
    datetime(2026, 11, 27): NAIVE,  # noqa: DTZ001 - that is the case
    "2026-11-27T00:00:00Z": f"{MISTYPED}'2026-11-27T00:00:00Z'",
    5: f"{MISTYPED}5",
    datetime.fromisoformat("0001-01-01T00:00:00+14:00"): OUTSIDE,
}


async def test_times_in_filters_have_their_zone(store: Store) -> None:
    for moment, words in MOMENTS.items():
        for field in ("created_after", "created_before"):
            with pytest.raises(ValueError, match=r".") as refused:
                await ask(store, list_jobs, limit=10, **{field: moment})
            assert str(refused.value) == f"{field} {words}"
            which = BulkFilter(type="test.steer", **{field: moment})
            await refuses_in_bulk(store, which, field, words, action="reprioritize", priority=Priority.LOW)
        for field in ("failed_after", "failed_before"):
            with pytest.raises(ValueError, match=r".") as refused:
                await ask(store, dead_letters, **{field: moment})
            assert str(refused.value) == f"{field} {words}"
            which = BulkFilter(type="test.steer", **{field: moment})
            await refuses_in_bulk(store, which, field, words, action="requeue")


async def refuses_in_bulk(store: Store, which: BulkFilter, field: str, words: str, **asked: Any) -> None:
    with pytest.raises(BulkActionError) as refused:
        await ask(store, preview_bulk, BulkRequest(which=which, organization_id=ORGANIZATION, **asked))
    assert (refused.value.field, refused.value.message) == (f"filter.{field}", words)


OWN: dict[str, Any] = {"organization_id": ORGANIZATION}
# What is asked for, with what: the words of the refusal.
REFUSED: tuple[tuple[Any, dict[str, Any], str], ...] = (
    (list_jobs, {"limit": 10, "status": "done"}, "status must be one of pending, processing, completed, failed, can"),
    (list_jobs, {"limit": 10, "job_type": 5}, "5 cannot name a job type"),
    (list_jobs, {"limit": 0}, "limit must be 1 or more, a whole number, not 0"),
    (list_jobs, {"limit": "10"}, "limit must be 1 or more, a whole number, not '10'"),
    (list_jobs, {"limit": 10, "cursor": 5}, "the cursor must be a text"),
    (dead_letters, {"state": "gone"}, "state must be one of open, requeued, discarded, expired, not 'gone'"),
    (dead_letters, {"error_code": 5}, "error_code must be a text, not 5"),
    (dead_letters, {"fingerprint": "a\0"}, "fingerprint must be without NUL and halves of characters, not 'a\\x00'"),
    (dead_letters, {"job_id": "x"}, "job_id must be a UUID, not 'x'"),
    (dead_letters, {"limit": 0}, "limit must be 1 or more, a whole number, not 0"),
    (dead_letter_groups, {"job_type": "No Type"}, "'No Type' cannot name a job type"),
    (list_flows, {**OWN, "state": "gone"}, "state must be one of open, running, completed, failed, cancelled, not 'g"),
    (list_flows, {**OWN, "limit": 0}, "limit must be 1 or more, a whole number, not 0"),
    (list_schedules, {**OWN, "state": 5}, "state must be one of active, paused, ended, not 5"),
    (list_schedules, {**OWN, "cursor": "x"}, "the cursor is malformed"),
    (list_schedules, {"organization_id": "x"}, "organization_id must be a UUID, not 'x'"),
    (list_bulk, {"organization_id": 5, "limit": 10}, "organization_id must be a UUID, not 5"),
)


async def test_what_no_list_can_be_asked_for_is_refused_where_there_is_nothing_too(store: Store) -> None:
    for function, asked, words in REFUSED:
        with pytest.raises(ValueError, match=r".") as refused:
            await ask(store, function, **asked)
        assert str(refused.value).startswith(words), (function, asked, str(refused.value))
    with pytest.raises(ValueError, match="attempt must be at least 1, a whole number, not 'first'"):
        await ask(store, list_job_logs, ORGANIZATION, limit=10, attempt="first")


async def test_bulk_actions_are_of_what_there_is(store: Store) -> None:
    which = BulkFilter(type="test.steer")
    await refuses_in_bulk(store, BulkFilter(error_code=5), "error_code", "must be a text, not 5", action="requeue")  # type: ignore[arg-type]  # as a caller without types
    wrong: tuple[tuple[str, dict[str, Any], str], ...] = (
        (
            "rate_per_minute",
            {"action": "cancel", "rate_per_minute": 1.5},
            "must be 1 to 30000, a whole number, not 1.5",
        ),
        ("priority", {"action": "reprioritize", "priority": "high"}, "must be a Priority, not 'high'"),
        ("action", {"action": []}, "must be one of requeue, discard, cancel, reprioritize"),
    )
    for field, asked, words in wrong:
        with pytest.raises(BulkActionError) as refused:
            await ask(store, preview_bulk, BulkRequest(which=which, organization_id=ORGANIZATION, **asked))
        assert (refused.value.field, refused.value.message) == (field, words)


async def test_a_history_is_of_whole_minutes_and_of_a_type_that_can_be(store: Store) -> None:
    wrong: tuple[Any, ...] = (1.5, "5", None, True, 0, 181)
    for minutes in wrong:
        with pytest.raises(QueueSettingError) as refused:
            await order(store, read_queue_history, Queue.DEFAULT, minutes=minutes)
        words = f"must be 1 to 180, a whole number, not {minutes!r}"
        assert (refused.value.field, refused.value.message) == ("minutes", words)
    names: tuple[Any, ...] = ("a\0b", 5, "", "No Type")
    for name in names:
        with pytest.raises(QueueSettingError, match="job_type must be the name of a job type") as refused:
            await order(store, read_queue_history, Queue.DEFAULT, job_type=name)
        assert refused.value.field == "job_type"
