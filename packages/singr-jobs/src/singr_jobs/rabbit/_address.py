"""Where RabbitMQ is, how long it may take, and what it says when it refuses."""

import ssl
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pika
import pika.exceptions

from singr_config import RabbitSettings
from singr_jobs.declare._errors import JobsError

_PORT: Final = 5672
_PORT_TLS: Final = 5671
_GUEST: Final = "guest"
# Seconds without a word after which both sides ask whether the other still lives, and then give up.
_HEARTBEAT: Final = 10
_NO_PLACE: Final = (
    "the virtual host of RABBITMQ_URL is not there, is full, or its user may not use it: see RabbitMQ's log"
)

# What pika raises, and what it means; the first that fits.
_SAID: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (
        (pika.exceptions.AuthenticationError, pika.exceptions.ProbableAuthenticationError),
        "RabbitMQ takes neither user nor password of RABBITMQ_URL: one of them is wrong",
    ),
    (pika.exceptions.ProbableAccessDeniedError, _NO_PLACE),
    (
        ssl.SSLCertVerificationError,
        "the certificate of RabbitMQ is of nobody who is trusted here (SSL_CERT_FILE), or of another host",
    ),
    (ssl.SSLError, "what listens at RABBITMQ_URL speaks no TLS of ours: without TLS it is amqp://, at another port"),
    (
        pika.exceptions.IncompatibleProtocolError,
        "what listens at RABBITMQ_URL hangs up: a balancer with nobody behind it, or TLS, which wants amqps://",
    ),
    (
        pika.exceptions.ConnectionBlockedTimeout,
        "RabbitMQ takes no messages: its memory or its disk is full (rabbitmq-diagnostics alarms)",
    ),
    (
        pika.exceptions.NackError,
        "a policy of RabbitMQ refuses messages of ours: let none apply to queues that begin with singr.",
    ),
)
# What a server says when it closes a channel or a connection.
_CODES: Final[dict[int, str]] = {
    403: (
        r"the user of RABBITMQ_URL lacks a right: give it ^singr\. to configure and to read,"
        r" and ^(singr\.|amq\.default$) to write"
    ),
    406: "RabbitMQ has queues or exchanges of our names that others made: delete those that begin with singr.",
    530: _NO_PLACE,
}


class RabbitAwayError(JobsError, ConnectionError):
    """RabbitMQ does not answer, or refuses.

    Attributes:
        refusal: what it refuses, and what would be right; None where it does not answer.
    """

    def __init__(self, refusal: str | None = None) -> None:
        super().__init__(refusal or "RabbitMQ does not answer")
        self.refusal = refusal


def connection_parameters(settings: RabbitSettings) -> dict[str, Any]:
    """What pika is to connect with: nothing waits for long, and nothing is tried twice."""
    parts = urlsplit(settings.url.reveal())
    secure = parts.scheme == "amqps"
    return {
        "host": parts.hostname,
        "port": parts.port or (_PORT_TLS if secure else _PORT),
        "virtual_host": unquote(parts.path[1:]) or "/",
        "credentials": pika.PlainCredentials(unquote(parts.username or _GUEST), unquote(parts.password or _GUEST)),
        "ssl_options": pika.SSLOptions(ssl.create_default_context(), parts.hostname) if secure else None,
        "client_properties": {"connection_name": "singr"},
        "connection_attempts": 1,
        "socket_timeout": 2.0,
        "stack_timeout": 4.0,
        "blocked_connection_timeout": 5.0,
        "heartbeat": _HEARTBEAT,
    }


def refusal_of(error: BaseException) -> str | None:
    """Say what a server that answers refuses, and what would be right; None where it does not answer at all."""
    for kinds, why in _SAID:
        if isinstance(error, kinds):
            return why
    return _CODES.get(getattr(error, "reply_code", 0))
