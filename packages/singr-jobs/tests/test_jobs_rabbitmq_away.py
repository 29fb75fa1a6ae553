"""A RabbitMQ that is away, or says nothing, keeps nobody waiting and loses nothing but time."""

import asyncio
import socket
import ssl
import sys
from collections.abc import Iterator

import pika.exceptions
import pytest
from jobs_support import put

from singr_config import RabbitSettings, RedisSettings, Secret
from singr_config.testing import settings_for_tests
from singr_jobs import Queue, Waker, check_carrier, rabbit_carrier, rabbit_transport
from singr_jobs.rabbit import _words
from singr_jobs.rabbit._address import refusal_of
from singr_jobs.taking._tickets import Ticket


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
    db, nobody, working, reaches, said
):
    async with working(transport=rabbit_transport(nobody), redis=RedisSettings(), poll=0.2) as worker:
        waker = Waker(rabbit_carrier(nobody))
        waker.attach(db.session_info)
        for _ in range(2):
            await reaches(await put(db), "completed")
        assert await worker.carries() is not None
        await waker.close()
    assert len([line for line in said if "wake-ups are away, polling instead" in line]) == 1
    assert "pw-canary" not in "".join(said)
    assert "Traceback" not in "".join(said)


async def test_rabbitmq_that_says_nothing_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(_words, "PATIENCE", 0.05)
    carrier = rabbit_carrier(silent)
    with pytest.raises(OSError, match=r"^((?!canary).)*$"):
        await carrier.publish("default")


async def test_hand_over_to_rabbitmq_that_is_away_is_refused(nobody):
    transport = rabbit_transport(nobody)
    for _ in range(2):
        with pytest.raises(OSError, match="RabbitMQ does not answer"):
            await asyncio.to_thread(transport.send, [Ticket(Queue.DEFAULT, 7, 1)])


def test_address_of_rabbitmq_without_its_client_is_named_at_the_start(monkeypatch):
    settings = settings_for_tests(RABBITMQ_URL="amqp://singr:pw-canary@rabbit.internal/")
    assert check_carrier(settings) == []
    monkeypatch.setitem(sys.modules, "pika", None)
    assert check_carrier(settings) == [
        "RABBITMQ_URL: pika is not installed: install singr-jobs[rabbitmq], which brings it"
    ]
    assert check_carrier(settings_for_tests()) == []


MEANS = {
    "a certificate that nobody vouches for": (ssl.SSLCertVerificationError(1, "x"), "SSL_CERT_FILE"),
    "amqps:// where no TLS is spoken": (ssl.SSLError(1, "x"), "without TLS it is amqp://"),
    "amqp:// where TLS is spoken": (pika.exceptions.IncompatibleProtocolError("x"), "wants amqps://"),
    "an alarm": (pika.exceptions.ConnectionBlockedTimeout("x"), "its memory or its disk is full"),
    "a policy that refuses": (pika.exceptions.NackError([]), "a policy of RabbitMQ"),
    "no room for connections": (pika.exceptions.ConnectionClosedByBroker(530, "x"), "is full"),
}


@pytest.mark.parametrize(("error", "named"), MEANS.values(), ids=MEANS)
def test_what_keeps_rabbitmq_from_carrying_is_named(error: Exception, named: str):
    assert named in str(refusal_of(error))
