"""A RabbitMQ that is away, or says nothing, keeps nobody waiting and loses nothing but time."""

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest
from jobs_support import put
from loguru import logger

from singr_config import RabbitSettings, RedisSettings, Secret
from singr_config.testing import settings_for_tests
from singr_jobs import Waker, check_carrier, rabbit_carrier, rabbit_transport
from singr_jobs.rabbit import _words


@pytest.fixture
def nobody() -> Iterator[RabbitSettings]:
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield RabbitSettings(url=Secret(f"amqp://singr:pw-canary@127.0.0.1:{taken.getsockname()[1]}/"))


@pytest.fixture
def silent() -> Iterator[RabbitSettings]:
    """An address where whoever connects hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield RabbitSettings(url=Secret(f"amqp://singr:pw-canary@127.0.0.1:{server.getsockname()[1]}/"))


async def test_where_rabbitmq_is_away_the_worker_polls_and_says_so_once_without_the_password(
    db, nobody, working, reaches
):
    lines: list[str] = []
    kept = logger.add(lambda message: lines.append(str(message)), format="{message}\n{exception}")
    async with working(transport=rabbit_transport(nobody), redis=RedisSettings(), poll=0.2) as worker:
        waker = Waker(rabbit_carrier(nobody))
        waker.attach(db.session_info)
        for _ in range(2):
            await reaches(await put(db), "completed")
        assert await worker.carries() is not None
        await waker.close()
    logger.remove(kept)
    assert len([line for line in lines if "wake-ups are away, polling instead" in line]) == 1
    assert "pw-canary" not in "".join(lines)
    assert "Traceback" not in "".join(lines)


async def test_rabbitmq_that_says_nothing_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(_words, "PATIENCE", 0.05)
    carrier = rabbit_carrier(silent)
    with pytest.raises(OSError, match=r"^((?!canary).)*$"):
        await carrier.publish("default")


async def test_hand_over_to_rabbitmq_that_is_away_is_refused(nobody):
    transport = rabbit_transport(nobody)
    for _ in range(2):
        with pytest.raises(OSError, match="RabbitMQ does not answer"):
            await asyncio.to_thread(transport.send, [])


def test_address_of_rabbitmq_without_its_client_is_named_at_the_start(monkeypatch):
    settings = settings_for_tests(RABBITMQ_URL="amqp://singr:pw-canary@rabbit.internal/")
    assert check_carrier(settings) == []
    monkeypatch.setitem(sys.modules, "pika", None)
    assert check_carrier(settings) == [
        "RABBITMQ_URL: pika is not installed: install singr-jobs[rabbitmq], which brings it"
    ]
    assert check_carrier(settings_for_tests()) == []
