"""The row of `jobs` as it is first stored, written once: its columns, their types and both inserts come from `JobRow`.

A new column of `jobs` that a job has from the start is a field here (beside the model and its migration). Rows travel
as one JSON value, so a statement has one parameter, whatever is in a row and however many rows there are.
"""

from collections.abc import Mapping
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

SmallInt = Annotated[int, "smallint"]
"""An `int` that PostgreSQL keeps in two bytes."""

_SQL_TYPES: Final[dict[Any, str]] = {
    UUID: "uuid",
    str: "text",
    SmallInt: "smallint",
    float: "float8",
    datetime: "timestamptz",
    tuple[str, ...]: "text[]",
    msgspec.Raw: "jsonb",
}
# What is stored instead of a value that may be left out. "At once" is when the database says it is, since the clocks of
# hosts differ; and so is a time that has passed: nobody waits, or goes before others, since before a job was there.
STORED: Final = {"run_at": "greatest(run_at, now())", "created_at": "coalesce(created_at, now())"}


class JobRow(msgspec.Struct, kw_only=True):
    """A job as it is first stored; what is no field here has its default in the table. Durations are seconds.

    A role of another service may write exactly these columns (`singr-db grant`).
    """

    id: UUID
    organization_id: UUID
    type: str
    queue: str
    priority: SmallInt
    payload: msgspec.Raw
    max_attempts: SmallInt
    backoff: float
    timeout: float
    unique_key: str | None = None
    run_at: datetime | None = None
    created_at: datetime | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    concurrency_key: str | None = None
    reference: str | None = None
    labels: tuple[str, ...] | None = None


def columns_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The fields of a row's struct with their types in PostgreSQL."""
    return {name: _sql_type(hint) for name, hint in get_type_hints(struct, include_extras=True).items()}


def recordset(struct: type[msgspec.Struct], rows: str) -> str:
    """Rows of that struct, read from the JSON array that the expression `rows` gives."""
    columns = ", ".join(f"{name} {sql_type}" for name, sql_type in columns_of(struct).items())
    return f"jsonb_to_recordset(CAST({rows} AS jsonb)) AS row ({columns})"


def insert_jobs(source: str, *more: str, stored: Mapping[str, str] = STORED) -> str:
    """The INSERT of all jobs of `source`, a relation with the columns of `JobRow` and the columns `more`.

    `stored` gives the expressions of columns that are not stored simply as they come. The table itself gives each job
    its place among what waits.
    """
    columns = [*columns_of(JobRow), *more]
    values = ", ".join(stored.get(name, name) for name in columns)
    return f"INSERT INTO jobs ({', '.join(columns)})\nSELECT {values}\n  FROM {source}"


def _sql_type(hint: Any) -> str:
    if get_origin(hint) in {Union, UnionType}:
        [hint] = [part for part in get_args(hint) if part is not type(None)]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return "jsonb"
    return _SQL_TYPES[hint]
