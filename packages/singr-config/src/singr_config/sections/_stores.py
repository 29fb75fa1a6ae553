"""Sections for the servers that processes share."""

from typing import Annotated

from singr_config.sections._variable import Variable
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._kinds import directory, integer, matching, secret_text, web_url
from singr_config.values._secret import Secret
from singr_config.values._stores import database_url, rabbitmq_url, redis_url


class DatabaseSettings(HoldsSecrets, frozen=True, kw_only=True):
    """PostgreSQL, where everything that was accepted is kept."""

    url: Annotated[
        Secret,
        Variable(
            "DATABASE_URL",
            database_url(),
            "Address of PostgreSQL, 15 or newer; a socket directory goes into ?host=. Of several servers, as in"
            " postgresql://singr:…@a:5432,b:5432/singr?target_session_attrs=read-write, the first is used that answers"
            " and takes writes.",
            development="postgresql://singr@localhost:5432/singr",
        ),
    ]
    pool_size: Annotated[
        int,
        Variable("DATABASE_POOL_SIZE", integer(1, 500), "Connections that one process holds open at most, per pool."),
    ] = 10


class RedisSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Redis or Valkey: wake-ups, windows of work and counters; nothing in it is irreplaceable."""

    url: Annotated[
        Secret,
        Variable(
            "REDIS_URL",
            redis_url(),
            "Address of Redis or Valkey: redis://, rediss:// (TLS) or unix://.",
            development="redis://localhost:6379/0",
            production_note="Required, unless RABBITMQ_URL is set; DEPLOYMENT.md says what is missing then.",
        ),
    ] = Secret("")

    @property
    def configured(self) -> bool:
        """Whether there is a Redis."""
        return bool(self.url)


class RabbitSettings(HoldsSecrets, frozen=True, kw_only=True):
    """RabbitMQ, where a site has one: it then carries wake-ups and handed-over work in place of Redis."""

    url: Annotated[
        Secret,
        Variable(
            "RABBITMQ_URL",
            rabbitmq_url(),
            "Address of RabbitMQ, amqp:// or amqps:// (TLS): it carries wake-ups and handed-over work, not Redis.",
            production_note="API and workers must have the same.",
        ),
    ] = Secret("")

    @property
    def configured(self) -> bool:
        """Whether there is a RabbitMQ."""
        return bool(self.url)


class ObjectStoreSettings(HoldsSecrets, frozen=True, kw_only=True):
    """S3 or a server that speaks as S3 does. Without a bucket the object store is off."""

    endpoint: Annotated[
        str,
        Variable(
            "S3_ENDPOINT",
            web_url(),
            "Address of the object store; empty means AWS itself.",
            development="http://localhost:8333",
        ),
    ] = ""
    access_key_id: Annotated[
        str,
        Variable(
            "S3_ACCESS_KEY_ID",
            matching(r"[!-~]{3,200}", "an access key id: 3 to 200 characters without spaces"),
            "Key id for the object store.",
            development="singr-development",
        ),
    ] = ""
    secret_access_key: Annotated[
        Secret,
        Variable(
            "S3_SECRET_ACCESS_KEY",
            secret_text(8),
            "Secret that belongs to S3_ACCESS_KEY_ID.",
            development="singr-development-only",
        ),
    ] = Secret("")
    bucket: Annotated[
        str,
        Variable(
            "S3_BUCKET",
            matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name: 3 to 63 of a-z, 0-9, dot and hyphen"),
            "Bucket for exports and files; made on first use.",
            development="singr",
            production_note="Empty switches the object store off.",
        ),
    ] = ""
    region: Annotated[
        str,
        Variable(
            "S3_REGION",
            matching(r"[a-z0-9-]{2,40}", "a region such as us-east-1: 2 to 40 of a-z, 0-9 and hyphen"),
            "Region of the bucket.",
        ),
    ] = "us-east-1"
    folder: Annotated[
        str,
        Variable(
            "S3_FOLDER",
            directory(),
            "Folder in place of an S3 server while developing, set by `make run`; S3_ENDPOINT then serves its links.",
            production_note="Refused: it is one machine's.",
        ),
    ] = ""

    @property
    def configured(self) -> bool:
        """Whether there is an object store."""
        return bool(self.bucket)
