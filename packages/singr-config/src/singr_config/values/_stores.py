"""What the addresses of the stores must look like."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, parse_qs

from singr_config.values._kinds import Kind, split_url
from singr_config.values._secret import Secret

_AUTHORITY: Final = re.compile(r"[^/?#]*")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED: Final = (
    "must have what its user or password holds of @ / # ? : [ ] % percent-encoded:"
    " %40 %2F %23 %3F %3A %5B %5D %25, in this order"
)

_BEHIND: Final = "what stands behind its host (the path, options behind ?) of @ # % percent-encoded: %40 %23 %25"


def database_url() -> Kind:
    """A PostgreSQL address: one server or several (`host1:5432,host2`), or a Unix socket (`?host=/directory`)."""

    def check(parts: SplitResult) -> None:
        if not parts.hostname and "host" not in parse_qs(parts.query):
            raise ValueError("must name a host, or a socket directory as ?host=/directory")
        if not parts.path.strip("/"):
            raise ValueError("must end with a database: postgresql://user:password@host:5432/database")

    return _secret_url(("postgresql", "postgres", "postgresql+psycopg"), check, several=True)


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

    return _secret_url(("redis", "rediss", "unix"), check)


def rabbitmq_url() -> Kind:
    """A RabbitMQ address, over TCP or TLS."""

    def check(parts: SplitResult) -> None:
        if not parts.hostname:
            raise ValueError("must name a host: amqp://user:password@host:5672/virtual-host")
        if "/" in parts.path[1:]:
            raise ValueError("must end with one virtual host, whose own slashes are written %2F")
        if parts.query or parts.fragment:
            raise ValueError("must end with the virtual host: options after ? or # are not read")

    return _secret_url(("amqp", "amqps"), check)


def sentry_address() -> Kind:
    """The address, holding a key, under which Sentry takes reports of a project."""

    def check(parts: SplitResult) -> None:
        if not (parts.hostname and parts.username and parts.path.strip("/")):
            raise ValueError("must be a project's DSN: https://key@host/project")

    return _secret_url(("https", "http"), check)


def _secret_url(schemes: tuple[str, ...], check: Callable[[SplitResult], None], *, several: bool = False) -> Kind:
    """An address that may hold a password; of `several` servers, if libpq reads it, which tries one after another."""

    def parse(value: str) -> Secret:
        scheme, _, rest = value.partition("://")
        if scheme in schemes:
            _refuse_unescaped(rest, strict=several)
        addresses = _one_by_one(value)
        if len(addresses) > 1 and not several:
            raise ValueError("must name one host: there is a comma between several")
        for address in addresses:
            check(split_url(address, schemes, need_host=False))
        return Secret(value)

    return Kind("URL, secret", parse, secret=True)


def _refuse_unescaped(rest: str, *, strict: bool) -> None:
    """Refuse what one reader takes for the password and the next for a host, which is looked up and logged.

    `strict`: as libpq is, for which each % begins two digits.
    """
    authority = _AUTHORITY.match(rest)
    before = authority[0] if authority else ""
    user, after = before.rpartition("@")[0], rest[len(before) :]
    # A socket in Linux' abstract namespace is named so.
    if any(sign in user for sign in "@[]") or (strict and _PERCENT.search(before)):
        raise ValueError(_ESCAPED)
    if "@" in after.replace("host=@", "host="):  # behind a password as it is, or of an option
        raise ValueError(f"{_ESCAPED}; and {_BEHIND}")
    if "#" in after or (strict and _PERCENT.search(after)):
        raise ValueError(f"must have {_BEHIND}" if user else f"{_ESCAPED}; and {_BEHIND}")


def _one_by_one(value: str) -> list[str]:
    """The addresses of all servers that an address names, each as if it were the only one."""
    scheme, there, rest = value.partition("://")
    authority = _AUTHORITY.match(rest)
    before = authority[0] if authority else ""
    user, at, hosts = before.rpartition("@")
    return [f"{scheme}{there}{user}{at}{host}{rest[len(before) :]}" for host in hosts.split(",")]
