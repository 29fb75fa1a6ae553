"""What the addresses of the stores must look like."""

from urllib.parse import SplitResult, parse_qs

from singr_config.values._kinds import Kind, secret_url


def database_url() -> Kind:
    """A PostgreSQL address, over TCP or (`?host=/directory`) a Unix socket."""

    def check(parts: SplitResult) -> None:
        if not parts.hostname and "host" not in parse_qs(parts.query):
            raise ValueError("must name a host, or a socket directory as ?host=/directory")
        if not parts.path.strip("/"):
            raise ValueError("must end with a database: postgresql://user:password@host:5432/database")

    return secret_url(("postgresql", "postgres", "postgresql+psycopg"), check)


def redis_url() -> Kind:
    """A Redis address, over TCP, TLS or a Unix socket."""

    def check(parts: SplitResult) -> None:
        if parts.scheme == "unix":
            if len(parts.path) < len("/x"):
                raise ValueError("must name the socket: unix:///directory/redis.sock")
            return
        if not parts.hostname:
            raise ValueError("must name a host: redis://host:6379/0")
        number = parts.path.strip("/")
        if number and not (number.isascii() and number.isdigit()):
            raise ValueError("must end with the number of a database: redis://host:6379/0")

    return secret_url(("redis", "rediss", "unix"), check)


def rabbitmq_url() -> Kind:
    """A RabbitMQ address, over TCP or TLS."""

    def check(parts: SplitResult) -> None:
        if not parts.hostname:
            raise ValueError("must name a host: amqp://user:password@host:5672/virtual-host")
        if "/" in parts.path[1:]:
            raise ValueError("must end with one virtual host, whose own slashes are written %2F")
        if parts.query or parts.fragment:
            raise ValueError("must end with the virtual host: options after ? or # are not read")

    return secret_url(("amqp", "amqps"), check)


def sentry_address() -> Kind:
    """The address, holding a key, under which Sentry takes reports of a project."""

    def check(parts: SplitResult) -> None:
        if not (parts.hostname and parts.username and parts.path.strip("/")):
            raise ValueError("must be a project's DSN: https://key@host/project")

    return secret_url(("https", "http"), check)
