"""How settings become queue options."""

import pytest

from singr_config.testing import settings_for_tests
from singr_jobs import Queue, QueueOptions, Rate
from singr_worker import queue_options


def test_each_channel_has_its_concurrency_and_timeout_and_other_queues_the_defaults() -> None:
    settings = settings_for_tests(
        EMAIL_WORKER_CONCURRENCY="7",
        EMAIL_WORKER_TIMEOUT="70",
        SMS_WORKER_CONCURRENCY="4",
        SMS_WORKER_TIMEOUT="40",
        PUSH_WORKER_CONCURRENCY="6",
        PUSH_WORKER_TIMEOUT="60",
    )
    email, sms = QueueOptions(concurrency=7, timeout=70), QueueOptions(concurrency=4, timeout=40)
    assert queue_options(settings, Queue) == {
        Queue.EMAIL: email,
        Queue.DIGEST: email,
        Queue.SMS: sms,
        Queue.TWO_FACTOR: sms,
        Queue.PUSH: QueueOptions(concurrency=6, timeout=60),
        Queue.WEBHOOK: QueueOptions(),
        Queue.MAINTENANCE: QueueOptions(),
        Queue.DEFAULT: QueueOptions(),
    }


def test_defaults_are_those_of_the_specification() -> None:
    options = queue_options(settings_for_tests(), Queue)
    channels = {queue: (options[queue].concurrency, options[queue].timeout) for queue in ("email", "sms", "push")}
    assert channels == {"email": (5, 120), "sms": (3, 30), "push": (5, 30)}
    assert {one.rate for one in options.values()} == {None}


def test_rates_go_to_the_queues_they_name() -> None:
    options = queue_options(settings_for_tests(WORKER_RATES="email=100/60,two-factor=10/1,default=5/2"), Queue)
    rates = {queue: one.rate for queue, one in options.items() if one.rate is not None}
    assert rates == {Queue.EMAIL: Rate(100, 60), Queue.TWO_FACTOR: Rate(10, 1), Queue.DEFAULT: Rate(5, 2)}


def test_places_go_to_the_queues_they_name_in_place_of_their_channels() -> None:
    options = queue_options(settings_for_tests(WORKER_PLACES="default=4/120,digest=1/7"), Queue)
    assert options[Queue.DEFAULT] == QueueOptions(concurrency=4, timeout=120)
    assert options[Queue.DIGEST] == QueueOptions(concurrency=1, timeout=7)
    assert options[Queue.EMAIL] == QueueOptions(concurrency=5, timeout=120)


def test_only_the_asked_queues_are_served() -> None:
    assert set(queue_options(settings_for_tests(), [Queue.SMS])) == {Queue.SMS}


def test_rate_of_a_queue_that_is_none_names_the_variable_the_queue_and_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"WORKER_RATES: there is no queue e-mail; there are email, sms, push"):
        queue_options(settings_for_tests(WORKER_RATES="e-mail=100/60"), Queue)
    with pytest.raises(ValueError, match=r"WORKER_PLACES: there is no queue e-mail; there are email, sms, push"):
        queue_options(settings_for_tests(WORKER_PLACES="e-mail=1/1"), Queue)
