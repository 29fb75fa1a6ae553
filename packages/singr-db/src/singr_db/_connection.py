"""From a database address to connection parameters, the same for SQLAlchemy, psycopg and Alembic."""

import re
from typing import Any

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from singr_config import Secret
from singr_db._errors import DatabaseUrlError

_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+psycopg)?://", re.IGNORECASE)
_DEFAULTS: dict[str, str] = {
    "connect_timeout": "5",
    # A peer that vanished without a word is noticed within half a minute, also in the middle of a query.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}


def connection_parameters(
    url: Secret | str, *, application_name: str, settings: dict[str, str] | None = None
) -> dict[str, Any]:
    """Read an address and add what every connection of ours has: name, time-outs, UTC, and server `settings`.

    What the address itself says wins. `settings` are PostgreSQL's run-time settings, such as `statement_timeout`.

    Raises:
        DatabaseUrlError: no address, another database's address, or one that libpq cannot read.
    """
    address = url.reveal() if isinstance(url, Secret) else url
    if not address:
        raise DatabaseUrlError("no database address is given: set DATABASE_URL, as in postgresql://user@host/database")
    rest, matches = _SCHEME.subn("postgresql://", address)
    if not matches:
        raise DatabaseUrlError(
            "the database address must begin with postgresql://, postgres:// or postgresql+psycopg://"
        )
    try:
        given = conninfo_to_dict(rest)
    except ProgrammingError:
        # libpq's message may quote the address, and with it the password.
        raise DatabaseUrlError("the database address cannot be read: percent-encode special characters in it") from None
    options = " ".join(f"-c {name}={value}" for name, value in {"timezone": "UTC", **(settings or {})}.items())
    parameters: dict[str, Any] = {**_DEFAULTS, "application_name": application_name, **given}
    parameters["options"] = f"{options} {given['options']}" if given.get("options") else options
    return parameters


def json_text(value: object) -> str:
    """Encode a value for a jsonb parameter."""
    return msgspec.json.encode(value).decode()
