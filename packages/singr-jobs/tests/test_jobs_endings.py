"""How an attempt's end is reckoned from what its row holds, whatever that is: nothing raises, each delay is finite."""

from datetime import timedelta

import psycopg
import pytest
from jobs_support import jobs

from singr_db import new_id
from singr_jobs import RetryLater, WorkerOptions
from singr_jobs._plain import LONGEST_DELAY, plain_seconds
from singr_jobs.running import _endings as endings
from singr_jobs.running.attempts._failures import Failures
from singr_jobs.taking._claimed import ClaimedJob

NAN, INFINITY = float("nan"), float("inf")


def job(**values) -> ClaimedJob:
    row = {"attempt": 1, "max_attempts": 3, "backoff": 2.0, "timeout": 60.0, "waited": 0.0} | values
    return ClaimedJob(
        id=new_id(),
        organization_id=new_id(),
        type="test.steer",
        payload="{}",
        followed=False,
        correlation_id=None,
        traceparent=None,
        outage=None,
        cancel_requested=False,
        **row,
    )


@pytest.mark.parametrize(
    ("backoff", "shortest", "longest"),
    [
        (0.0, 1.8, 2.2),  # as the type says
        (-1.0, 1.8, 2.2),
        (NAN, 1.8, 2.2),
        (5e-324, 0.0, 1e-300),
        (INFINITY, LONGEST_DELAY * 0.9, LONGEST_DELAY),
        (1e308, LONGEST_DELAY * 0.9, LONGEST_DELAY),
    ],
)
def test_failure_of_a_row_with_any_backoff_has_a_finite_delay(backoff, shortest, longest):
    ended = endings.failed(job(backoff=backoff), None, "no_luck", "no luck")
    assert (ended.status, shortest <= ended.delay <= longest) == ("pending", True)


@pytest.mark.parametrize("attempt", [-32_768, 0, 32_767, 10**400])
def test_failure_of_an_attempt_of_any_number_has_a_finite_delay(attempt):
    ended = endings.failed(job(attempt=attempt), None, "no_luck", "no luck")
    assert 0 <= ended.delay <= 1.1 * 3600


@pytest.mark.parametrize("after", [timedelta.max, 10**400, INFINITY])
def test_wait_without_end_is_the_longest(after):
    assert endings.raised(job(), None, RetryLater(after, "busy", "busy")).delay == LONGEST_DELAY


def test_wait_that_is_no_number_is_the_backoffs():
    assert endings.raised(job(), None, RetryLater(NAN, "busy", "busy")).delay == pytest.approx(2.0, rel=0.1)


class Odd(timedelta):
    """A delay whose own arithmetic gives no number of ours."""

    def total_seconds(self):
        return "soon"


@pytest.mark.parametrize("value", [Odd(1), "soon", None, object(), 1j, -INFINITY])
def test_what_is_no_delay_is_none(value):
    assert plain_seconds(value) == 0.0


def test_delay_past_every_float_is_the_longest():
    ended = endings.failed(job(backoff=1e300, attempt=63), None, "no_luck", "no luck")
    assert ended.delay >= 0.9 * LONGEST_DELAY


class SaysError(Exception):
    def __init__(self, **said):
        super().__init__("nobody knows whether it was taken")
        self.__dict__ |= said


@pytest.mark.parametrize(
    ("said", "status", "code", "delay"),
    [
        ({"may_be_repeated": False, "code": "lost"}, "failed", "lost", 0.0),
        ({"may_be_repeated": False}, "failed", "SaysError", 0.0),
        ({"may_be_repeated": True, "code": "busy", "retry_after": 70.0}, "pending", "busy", 70.0),
        ({"may_be_repeated": True, "code": "busy", "retry_after": None}, "pending", "busy", 2.0),
        ({"may_be_repeated": "no", "code": "busy"}, "pending", "SaysError", 2.0),
    ],
)
def test_an_error_says_itself_whether_its_job_is_tried_again_and_when(said, status, code, delay):
    error = SaysError(**said)
    error.__cause__ = None if said["may_be_repeated"] == "no" else ConnectionResetError("gone")
    ended = Failures(WorkerOptions()).ended(job(), jobs.named("test.steer"), error)
    assert (ended.status, ended.outcome, ended.code) == (status, "failed", code)
    assert ended.delay == pytest.approx(delay, rel=0.11)


class UnlikeError(Exception):
    """An error that does not let anybody ask what it is."""

    @property
    def __class__(self):
        raise RuntimeError


class UnstatedError(psycopg.Error):
    """An error of the database that does not let anybody ask for its state."""

    def __init__(self):
        Exception.__init__(self, "INSERT INTO secrets")

    @property
    def sqlstate(self):
        raise RuntimeError


@pytest.mark.parametrize("kind", [UnlikeError, UnstatedError])
def test_error_that_cannot_be_looked_into_is_a_failed_attempt_without_its_words(kind):
    ended = Failures(WorkerOptions()).ended(job(), jobs.named("test.steer"), kind())
    assert ended.code == kind.__name__
    assert "that cannot be printed" in ended.error
