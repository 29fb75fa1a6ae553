"""What a schedule is called in words is when it fires."""

import pytest

from singr_jobs.schedules import Cron


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 22 1-7 * SAT", "At 22:00 on every day of month from 1 through 7 or on Saturday"),
        ("0 22 1 * MON,WED", "At 22:00 on the first day of month or on Monday and Wednesday"),
        ("0 22 15 3 sat#1", "At 22:00 on the 15th day of month or on the first Saturday of the month in March"),
        ("0 22 */2 * SAT", "At 22:00 on every second day of month if it's on Saturday"),
        ("0 22 * * SAT", "At 22:00 on Saturday"),
    ],
)
def test_days_of_the_month_and_of_the_week_are_said_to_be_either_or_both_as_they_are(expression: str, words: str):
    assert Cron(expression).in_words == words
