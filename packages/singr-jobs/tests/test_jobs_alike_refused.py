"""Memory and PostgreSQL alike: what cannot be kept or looked for is refused by its field, in the same words."""

import pytest
from alike_support import Store, order

from singr_jobs import Queue, Rate, list_limits, set_limits
from singr_jobs.queues import QueueSettingError, read_queue_settings, set_queue

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
