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
_REFUSED: Final = 403
_OTHERWISE: Final = 406
_NO_VIRTUAL_HOST: Final = 530


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
    if isinstance(error, pika.exceptions.AuthenticationError | pika.exceptions.ProbableAuthenticationError):
        return "RabbitMQ takes neither user nor password of RABBITMQ_URL: one of them is wrong"
    code = getattr(error, "reply_code", None)
    if isinstance(error, pika.exceptions.ProbableAccessDeniedError) or code == _NO_VIRTUAL_HOST:
        return "the virtual host of RABBITMQ_URL is not there, or its user may not use it"
    if code == _REFUSED:
        return (
            r"the user of RABBITMQ_URL lacks a right: give it ^singr\. to configure and to read,"
            r" and ^(singr\.|amq\.default$) to write"
        )
    if code == _OTHERWISE:
        return "RabbitMQ has queues or exchanges of our names that others made: delete those that begin with singr."
    return None
