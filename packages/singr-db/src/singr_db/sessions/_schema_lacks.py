"""Which errors of the server say that the schema is older than this program."""

import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

import psycopg
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

FUNCTIONS: Final = (
    *("effective_scopes", "invitation_stands", "forget_holder_that_is_gone"),
    *(
        "mark_nonce",
        "mark_key",
        "forget_key",
        "place_job",
        "running_jobs",
        "guard_job",
        "count_sms",
        "holder_of_job",
        "queue_of_job",
        "limits_of_type",
        "known_zone",
        "digest_closes",
        "quiet_until",
    ),
    *("place_member", "go_on", "end_members", "settle_members", "requeue_members", "take_members", "mend_flow"),
    *("wait_again", "add_up_minutes", "take_places", "rank_places", "part_with_member", "part_with_devices"),
    *("keep_organization_name", "hide_inbox", "count_export", "count_export_to", "forget_export"),
)
_WORD: Final = re.compile(r"\w+")


def schema_lacks(error: BaseException) -> str | None:
    """Say what the schema lacks that this version needs, and what makes it; None where this is another error.

    A table, column or function that is missing counts where this version's own schema has one of that name. Otherwise
    the statement is at fault: a typing error, or a table of another team's.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if not isinstance(error, psycopg.Error):
        return None
    named = _NAMED.get(error.sqlstate or "")
    said = error.diag.message_primary
    if named is None or said is None or named().isdisjoint(_WORD.findall(said)):
        return None
    return f"the schema seems older than this version ({said}): run singr-db upgrade"


def _known() -> list[Table]:
    tables = sys.modules.get("singr_db.tables")  # beside us and not below; whoever asks for ours has imported it
    return [] if tables is None else list(tables.Base.metadata.tables.values())


@cache
def _tables() -> frozenset[str]:
    return frozenset(table.name for table in _known())


@cache
def _columns() -> frozenset[str]:
    return frozenset(column.name for table in _known() for column in table.columns)


@cache
def _functions() -> frozenset[str]:
    return frozenset(FUNCTIONS)


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NAMED: Final[dict[str, Callable[[], frozenset[str]]]] = {"42P01": _tables, "42703": _columns, "42883": _functions}
