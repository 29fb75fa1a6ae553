"""Locks of migrations that others may notice."""

import time
from typing import Final

from alembic import op
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

_TRIES: Final = 50


def lock_patiently(*tables: str, mode: str = "ACCESS EXCLUSIVE") -> None:
    """Take tables for as long as this migration runs; while others use one, let those who come later pass.

    Of several all are taken or none: none is held while another is waited for longer than a moment.

    Args:
        tables: their names, in the order in which everybody else takes them.
        mode: how much of others' work each is to be kept from.

    Raises:
        DBAPIError: one was used for half a minute, without a gap.
    """
    connection = op.get_bind()
    for left in reversed(range(_TRIES)):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql("SET LOCAL lock_timeout = '500ms'")
                connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)} IN {mode} MODE")
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                return
        except DBAPIError as error:
            if not left or not isinstance(error.orig, LockNotAvailable):
                raise
            time.sleep(0.2)
